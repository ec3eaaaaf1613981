"""What nobody has seen to, told to somebody. Woken every five minutes by EventBridge Scheduler.

It emits an event for every conversation whose due time has passed, for every hold that nobody has released in time, and for every
message in a dead-letter queue; it notes on the conversation, or beside the letter's id, that it did. An event is emitted before it is
noted: after a failure the next run may say something twice, never not at all.
"""
