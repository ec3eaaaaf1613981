"""`postroom demo`: customers of several platforms write to the local stack; what happened is compared with what should have.

`letters` is the story, `tour` lives through it over real HTTP, `findings` compares, `report` prints.
"""
