"""Messages as XML: what `protocol.codec` reads and writes them with.

`canonical` is the short way in and `shapes` what makes it short; `reader` is the hardened parser
that decides about all that is not canonical, with `unknown_names` before it and `salvage` where
nothing else is left of a message; `writer` is the way out.
"""
