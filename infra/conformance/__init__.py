"""`postroom channels test`: a channel's simulator against any address, the local stack's or a deployed one's, case by case.

`cases` says what is tried and what must come of it, `address` is the other side. Where the address is a local stack, what was stored is
looked at too; elsewhere the answers alone are judged.
"""
