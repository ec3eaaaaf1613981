"""What keeps the local stack from starting or running, as facts an operator can act on: one line each, never a traceback."""

from __future__ import annotations


class CannotStart(Exception):
    """The stack cannot start; the message says why, in one line."""


class TemplateInvalid(CannotStart):
    """template.yaml is broken, or asks for something that the local stack does not know."""


class PortTaken(CannotStart):
    """Somebody else listens on the port."""


class EngineUnreachable(CannotStart):
    """The AWS endpoint does not answer, or refuses what the stack needs."""


class FunctionBroken(CannotStart):
    """A function's module cannot be loaded."""
