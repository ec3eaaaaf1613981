"""`postroom`, the operator's command."""
