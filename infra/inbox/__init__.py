"""The people's side: what waits, and what a person does about it."""
