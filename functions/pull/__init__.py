"""Announced messages in. Woken by `pulls.fifo`, one source at a time, when a platform said that something waits there.

Asks the platform for page after page from the cursor it holds, puts every message on `inbound.fifo` as ingest does, and only then moves
the cursor: a crash in between repeats a page, and a message's id makes the repetition harmless. On failure the queue hands the
announcement out again, and after its last try it goes to the dead-letter queue; whatever is announced next fetches what it left.
"""
