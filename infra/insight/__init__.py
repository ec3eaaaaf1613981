"""Reports over what was said: for the operator's machine, never in a function."""
