"""Who must act when something is wrong on the wire.

```
ProtocolError
├── LocalProtocolError      our side broke the rules: a bug of the caller
│   └── InvalidMessageError a message with a missing field or a bad value (result 102, 103)
└── RemoteProtocolError     the peer broke the rules: its fault, answered with `result`
```
"""

from __future__ import annotations

from protocol.results import Result


class ProtocolError(Exception):
    """Anything that contradicts docs/reference/protocol.md."""


class LocalProtocolError(ProtocolError):
    """We were asked to send what must not be sent; nothing left the process."""


class InvalidMessageError(LocalProtocolError, ValueError):
    """A message that cannot be: a required field is missing or a value is out of its range.

    `result` is 102 (missing field) or 103 (bad value), `element` the name of the XML element or
    attribute.
    """

    def __init__(self, result: Result, element: str, problem: str) -> None:
        super().__init__(f"{element}: {problem}")
        self.result = result
        self.element = element


class RemoteProtocolError(ProtocolError):
    """The peer sent what the specification forbids.

    `result` is the code of section 7 to answer with; `request_id` and `request_type` are what
    could still be read of the offending request, so that it can be answered at all (`""`: it has
    no Id, or one that cannot be used; None: nobody is owed an answer); `raw` is the offending
    payload, for the journal.
    """

    def __init__(
        self,
        result: Result,
        problem: str,
        *,
        request_id: str | None = None,
        request_type: int | None = None,
        raw: bytes = b"",
    ) -> None:
        super().__init__(problem)
        self.result = result
        self.request_id = request_id
        self.request_type = request_type
        self.raw = raw
