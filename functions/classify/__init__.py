"""Messages understood. Woken by `inbound.fifo`, in batches; a conversation's messages come in order.

For each message it writes one message item (once), one sealed original if the text held personal data, and the conversation;
for each batch the hourly counters, the tasks on `replies.fifo` and the escalations on the event bus. The conversation is written
last and proves that the rest was done: a message that comes again falls through to whatever is not proven. On failure the record
goes back to its queue, with the later ones of its conversation, and after five tries to the dead-letter queue; the other
conversations of the batch are not affected.
"""
