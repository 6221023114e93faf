"""Ten thousand peers that are there and say nothing, but that they are there.

    python -m benchmarks.crowd [--connections 10000] [--minutes 10] [--json]

Every connection is a peer of its own in the configuration, registered, and beats as the protocol
section 4 has it; half of them are platforms, half applications. A few more platforms send notices
to one application meanwhile, so that it is seen whether who works is served in such a crowd.
Counted are connections that linkage dropped, its memory, its share of a core and how late its own
heartbeats are. (A heartbeat is never answered, so there is no answer to time; the notices are.)
"""
