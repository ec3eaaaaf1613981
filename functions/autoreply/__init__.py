"""Answers out. Woken by `replies.fifo`, one conversation at a time, a few seconds after a message was judged.

decide → reserve → send → record: every message gets one reply record, which says what was answered or why nothing was. A reply is
reserved in its conversation's ledger before it is sent, so a crash is followed by a second send only where the platform takes an
idempotency key; elsewhere a person is told. On failure the queue delivers the message again, after its last try it goes to the
dead-letter queue.
"""
