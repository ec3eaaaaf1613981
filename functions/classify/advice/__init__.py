"""Second opinions on what the model is unsure of, from a sentence encoder in the function itself or from services;
off unless the stack names them.

Each is asked with the masked text only, within a budget per day and a time limit. Whatever goes wrong, the offline answer stands.
Nothing here is imported unless one of them is set.
"""
