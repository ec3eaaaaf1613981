"""What measurements share: their tables, and a Lambda execution environment on this machine."""
