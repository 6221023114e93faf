"""The catalogue: a class for every row of PROTOCOL.md sections 6.1 and 6.2, the rest by the mirror rule.

Modules are the catalogue's blocks: `call` (x00–x19), `messaging` (x20–x29), `fax`, `mail`, `video`, `gis`, `directory`,
`event` (x80–x89) and `session` (x90–x99). 3xx–6xx are made on demand from the 1xx or 2xx they mirror: `message_class(300)`.
"""

from __future__ import annotations

from protocol.message import Message, Part
from protocol.messages.call import *  # noqa: F403 - the blocks' public names are this package's
from protocol.messages.mirror import message_class
from protocol.messages.session import *  # noqa: F403 - the same

__all__ = ["Message", "Part", "message_class"]  # noqa: PLE0604 - extended below
