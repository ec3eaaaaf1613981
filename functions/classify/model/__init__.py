"""What the rules have no words for: linear heads over hashed n-grams, concepts and rules that fired, calibrated, in integers.

`ngrams` and `concepts` say what is in a text, `weights` what that is worth, `scoring` adds it up, `network` sees what the answers say of
each other, `opinion` says it in the words of the label sheet. Nothing here is imported from outside the standard library: a cold start
pays for reading one file. `training` makes the weights.
"""
