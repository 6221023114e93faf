"""The Id of a request whose XML is no XML: it is answered if that can be read.

A vendor's encoder that forgets to escape an `&` writes a sound start tag before it. Read without a
parser, from a start tag that is all printable ASCII; whatever is not exactly so has no Id.
"""

from __future__ import annotations

import re
from typing import Final

from protocol.envelope import REQUEST_ID_MAX
from protocol.fields import NULL_TOKENS

_HEAD_MAX: Final = 512
_HEAD: Final = re.compile(
    rb'\s*(?:<\?xml[^<>]*\?>\s*)?<request((?:\s+[A-Za-z]+\s*=\s*"[ !#-%\'-;=?-~]*")+)\s*/?>',
    re.IGNORECASE,
)
"""No `&` and no `<` in a value, as in XML."""
_ATTRIBUTE: Final = re.compile(rb'([A-Za-z]+)\s*=\s*"([^"]*)"')
_TYPE: Final = re.compile(r"[0-9]{3}")


def salvage(payload: bytes) -> tuple[str | None, int | None]:
    """Id and Type of a request that cannot be parsed, each None where it cannot be told."""
    head = _HEAD.match(payload[:_HEAD_MAX])
    if head is None:
        return None, None
    found = _ATTRIBUTE.findall(head.group(1))
    attributes = {name.decode(): value.decode().strip() for name, value in found}
    request_id, written = attributes.get("Id", ""), attributes.get("Type", "")
    if len(attributes) != len(found) or not 1 <= len(request_id) <= REQUEST_ID_MAX:
        return None, None
    if request_id in NULL_TOKENS:
        return None, None
    return request_id, int(written) if _TYPE.fullmatch(written) else None
