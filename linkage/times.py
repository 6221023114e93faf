"""How people are told a time, by the log, the command line and the pictures alike.

ISO 8601 with its zone: a line that is copied into a mail still says when it was, and the clocks of
two machines can be laid beside each other.
"""

from __future__ import annotations

from datetime import datetime, tzinfo


def full_time(moment: datetime, zone: tzinfo | None = None, *, to: str = "milliseconds") -> str:
    """`2026-11-22 16:12:03.120+08:00`.

    Args:
        moment: aware.
        zone: None: this machine's.
        to: how exact, as `datetime.isoformat` takes it: `minutes`, `seconds`, `milliseconds`.
    """
    return moment.astimezone(zone).isoformat(sep=" ", timespec=to)


def clock_time(moment: datetime, zone: tzinfo | None = None) -> str:
    """`16:12:03.120+08:00`, where the day is said elsewhere."""
    return moment.astimezone(zone).timetz().isoformat(timespec="milliseconds")
