"""The configuration: one TOML file, the secrets beside it, and what a change of it means.

`file` reads and checks it as a whole; `peers` describes one peer, `idle` finds settings without
effect, `secrets` and `keyring` hold what is never shown, `reload` says what a serving linkage
takes up. Nothing is imported here: the client library needs `secrets` only, without pydantic.
"""
