"""The catalogue: a class for every 1xx and 2xx, the rest by the mirror rule.

Modules are the catalogue's blocks: `call`, `callout`, `conference` and `media` (x00–x19),
`messaging` (x20–x29), `fax`, `mail`, `video`, `gis`, `directory`, `event` (101, 201 and x80–x89),
`session` and `snapshot` (x90–x99); `parts` holds what they share. 3xx–6xx are made on demand from
the 1xx or 2xx that they mirror: `message_class(300)`. Each block says in its `__all__` what it
gives; that is what this package gives.
"""

from __future__ import annotations

from protocol.message import Message, Part
from protocol.messages import (
    call,
    callout,
    conference,
    directory,
    event,
    fax,
    gis,
    mail,
    media,
    messaging,
    mirror,
    outcome,
    parts,
    session,
    snapshot,
    video,
)
from protocol.messages.call import *
from protocol.messages.callout import *
from protocol.messages.conference import *
from protocol.messages.directory import *
from protocol.messages.event import *
from protocol.messages.fax import *
from protocol.messages.gis import *
from protocol.messages.mail import *
from protocol.messages.media import *
from protocol.messages.messaging import *
from protocol.messages.mirror import *
from protocol.messages.outcome import *
from protocol.messages.parts import *
from protocol.messages.session import *
from protocol.messages.snapshot import *
from protocol.messages.video import *

__all__ = ["Message", "Part"]
__all__ += call.__all__
__all__ += callout.__all__
__all__ += conference.__all__
__all__ += directory.__all__
__all__ += event.__all__
__all__ += fax.__all__
__all__ += gis.__all__
__all__ += mail.__all__
__all__ += media.__all__
__all__ += messaging.__all__
__all__ += mirror.__all__
__all__ += outcome.__all__
__all__ += parts.__all__
__all__ += session.__all__
__all__ += snapshot.__all__
__all__ += video.__all__
