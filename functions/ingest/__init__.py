"""Webhooks in. Woken by API Gateway on /webhooks/{channel}/{account}, GET and POST.

Verifies, answers handshakes, parses, puts every message on `inbound.fifo` (and every announcement of messages on `pulls.fifo`) and then
acknowledges in the platform's own words. The queues are its only durable effect. On failure it answers 5xx and the platform sends the
webhook again; nothing half-done stays behind.
"""
