"""The whole stack on one machine: the real template, the real handlers, moto or any other endpoint."""
