"""Expiry: what is at its receiver already does not keep others from being told."""

from types import SimpleNamespace
from typing import Any, cast

from linkage.core.sweeper import EXPIRE_MAX, Sweep
from linkage.store.rows import DeliveryRow


def test_commands_sent_and_unanswered_do_not_delay_the_309_of_others() -> None:
    sent = [
        DeliveryRow(receiver="pbx", seq=seq, journal_seq=seq, type=210, expires_at=1)
        for seq in range(1, EXPIRE_MAX + 1)
    ]
    waits = DeliveryRow(receiver="sms", seq=1, journal_seq=5000, type=220, expires_at=1)
    settled: list[tuple[str, int, int, str, int]] = []
    context = SimpleNamespace(
        free_bytes=lambda: 0,
        disk_free=0,
        first_seq=0,
        tx=SimpleNamespace(
            queues=SimpleNamespace(
                expired=lambda _now, limit: [*sent, waits][:limit],
                settle=lambda *what: settled.append(what),
            ),
            journal=SimpleNamespace(find=lambda _seq: None),
        ),
        own_notices=SimpleNamespace(tell_failed=lambda *_: None),
    )
    Sweep(frozenset((row.receiver, row.seq) for row in sent), 2).run(cast("Any", context))
    assert [(receiver, seq, state) for receiver, seq, _, state, _ in settled] == [
        ("sms", 1, "expired")
    ]
