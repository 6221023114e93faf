"""The parts of linkage as processes of their own: `linkage serve --only …`.

```python
async with linkage.server.process.open_part(config, "gateway") as part:
    await part.wait()
```
The same classes as in one process (`linkage.server.server`), with the bus between them. Each part
starts whether the others are there or not, and finds them by itself when they come.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from linkage.bus.part_names import ADAPTER, CORE, GATEWAY
from linkage.config.fields import PEER_ID
from linkage.config.file import Config
from linkage.ports import Clock
from linkage.server.adapter_part import AdapterPart
from linkage.server.core_part import CorePart
from linkage.server.gateway_part import GatewayPart
from linkage.server.part import LinkagePart, PartError

KINDS: Final[dict[str, type[LinkagePart]]] = {
    CORE: CorePart,
    GATEWAY: GatewayPart,
    ADAPTER: AdapterPart,
}


def open_part(config: Config, name: str, clock: Clock | None = None) -> LinkagePart:
    """The part of that name, not started.

    Args:
        config: the same file for all parts.
        name: `core`, `gateway`, `gateway:NAME` or `adapter:NAME`.
        clock: of tests.

    Raises:
        PartError: there is no such part.
    """
    check_part(config, name)
    return KINDS[name.partition(":")[0]](config, name, clock)


def check_part(config: Config, name: str) -> None:
    """Whether a configuration has that part.

    Raises:
        PartError: it has not.
    """
    kind, _, rest = name.partition(":")
    further = kind == GATEWAY and re.fullmatch(PEER_ID, rest)
    if name not in part_names(config) and not further:
        there = ", ".join([*part_names(config), f"{GATEWAY}:NAME"])
        raise PartError(f"{name!r} is no part: there are {there}")


def part_names(config: Config) -> Sequence[str]:
    """Every part of a configuration, but for further gateways (`gateway:NAME`)."""
    return [CORE, GATEWAY, *(f"{ADAPTER}:{item.id}" for item in config.adapter)]
