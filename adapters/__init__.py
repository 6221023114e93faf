"""One package per platform behind the protocol; `adapters.registry` knows which there are.

An adapter translates between a vendor's events and calls and the messages of `protocol`, behind
`linkage.ports.Adapter`. It sees nothing else of ours, and no other adapter.
"""
