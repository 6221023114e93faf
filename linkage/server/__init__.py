"""The composition root: builds the middleware from its configuration and runs it.

`server` is all of it in one process (`linkage.Server`), `process` one part of it
(`linkage serve --only …`); both take their pieces from `store` (the data directory with the core
that serves it), `gateway` (where peers connect) and `metrics` (what `[watch]` shows). Beside
`linkage.cli` the only package of linkage that imports `gateway`, `adapters` or `simulators`.
"""
