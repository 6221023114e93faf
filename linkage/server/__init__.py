"""The composition root: builds the middleware from its configuration and runs it.

`server` is all of it in one process (`linkage.Server`), `process` finds one part of it (`linkage
serve --only …`): `core_part`, `gateway_part`, `adapter_part`; each is a `part`. They take their
pieces from `stored_core` (the data directory with the core that serves it), `gateway` (where peers
connect), `adapters` and `metrics` (what `[watch]` shows). Beside `linkage.cli` the only package of
linkage that imports `gateway`, `adapters` or `simulators`.
"""
