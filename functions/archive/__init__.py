"""Settled messages out of the table into S3. Woken daily by EventBridge Scheduler; may be run at any time, twice at once too.

It writes parts (gzip JSON lines), proves each by reading it back, commits its manifest, and only then lets the part's items expire. It
ends before Lambda's time limit and says `more` when something is left. On failure nothing is undone and nothing is lost: the next run
removes parts that were not committed, finishes those that were, and goes on from there.
"""
