"""What a changed configuration means for a linkage that serves (SIGHUP).

Adapters are taken up at once: they fail by nature, and it must not cost everybody else their
sessions to give one another password. What everything rests on (peers, listeners, limits) is read
at the start; secrets need neither, for `linkage peer rotate` writes files that are read again by
themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from linkage.config import AdapterSettings, Config
from linkage.hosting import AdapterHost, AdapterState

RESTART: Final = "takes effect when linkage is started again"


@dataclass(slots=True)
class Changes:
    """`again`: adapters to be started anew; `remarks`: lines about what is not taken up."""

    again: list[AdapterSettings] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def plan_reload(old: Config, new: Config, hosts: Iterable[AdapterHost]) -> Changes:
    """What to do about a new configuration; nothing is done here."""
    changes = Changes()
    before = {item.id: item for item in old.adapter}
    refused = {host.peer_id for host in hosts if host.state is AdapterState.REFUSED}
    for item in new.adapter:
        was = before.pop(item.id, None)
        if was is None:
            changes.remarks.append(f"adapter {item.id}: it is new, which {RESTART}")
        elif was.kind != item.kind:
            changes.remarks.append(f"adapter {item.id}: of another kind, which {RESTART}")
        elif was.settings != item.settings or item.id in refused:
            changes.again.append(item)
    changes.remarks += [f"adapter {gone}: it is gone, which {RESTART}" for gone in before]
    apart = {"adapter", "source"}
    if old.model_dump(exclude=apart) != new.model_dump(exclude=apart):
        changes.remarks.append(f"what changed beside the adapters {RESTART}")
    return changes
