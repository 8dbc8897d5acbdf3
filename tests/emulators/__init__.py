"""Stand-ins for the chat platforms: real HTTP and WebSockets on 127.0.0.1 for the real SDKs.

One package per platform, each with the same shape: a server to enter with `async with`, a world to
script, `limits`, `faults`, `counters`, and `python -m tests.emulators.NAME` to start it by hand.
What they reproduce is what was documented, read in source or measured; never more.
"""
