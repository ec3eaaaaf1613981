"""What `postroom evaluate` and `postroom train` measure."""
