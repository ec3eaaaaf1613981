"""One module per platform: everything that differs between platforms, and nothing else.

`contract` says what a channel is, `registry` finds it by name, `codecs` holds the signature schemes that several share. To add a channel,
add a module here that ends in `ADAPTER = ...` and a simulator in infra/simulators (CONTRIBUTING.md has the steps).
"""
