"""The other side of every channel, one module each: signs webhooks, retries as the vendor does, takes our replies.

`contract` says what a simulator is, `delivery` sends webhooks with the vendor's patience, `server` serves every vendor's
send API.
A module `infra/simulators/<channel>.py` that ends in `SIMULATOR = <class>` belongs to the channel of the same name.
"""
