"""What `postroom classify`, `evaluate` and `train` have in common: how a plain text is read, and what is measured."""
