"""What every function shares: the message and what is said of it, keys, the store, settings, errors, time and telemetry.

Nothing here imports a function. Importing a module here costs the standard library only, unless its docstring says otherwise.
"""
