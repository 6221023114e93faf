"""The bus between the processes of one linkage: `linkage serve --only gateway|core|adapter:NAME`.

```
 gateway process                              core process
 sessions ── CorePort ── CoreClient ══ ZeroMQ ══ CoreServer ─ CorePort ── Core
            (client.py)    DEALER   envelopes  ROUTER   (core_server.py)
```
The port is the one that everything uses within one process (`linkage.ports`); the bus adds nothing
to it but distance. `pack` turns what crosses into plain values, `envelope` those into bytes,
`sockets` carries the bytes, `keys` and `authenticator` decide who may speak. The only package that
imports zmq and msgpack.
"""
