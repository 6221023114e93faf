"""The EventID protocol.

Frames, messages, codes, codec and the connection, all without I/O (docs/reference/protocol.md).

This package is the language that everything else speaks. It imports nothing but the standard
library and lxml, and it never touches a socket, a clock or a thread: bytes and `now` go in,
messages and bytes come out.
"""
