"""`postroom demo`: customers of several platforms write to the local stack; what happened is compared with what should have.

`scenes` is the story, told in `letters`; `tour` lives through it over real HTTP, `findings` compares, `report` prints.
"""
