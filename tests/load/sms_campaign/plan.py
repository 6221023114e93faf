"""What a campaign does: who is written to, what the centre does, when linkage is killed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.process import free_port
from simulators.sms_centre import Behaviour

SECRET: Final = "a secret of the campaign"
DESK: Final = "desk"
AGAIN_AT_ONCE: Final = 0.25
"""How often a kill follows the one before it, so that it meets what is just starting."""
DELAY_MOST_S: Final = 0.3
BEHAVIOURS: Final = {
    0: Behaviour(meaning="the receipt comes before the answer", is_early=True),
    1: Behaviour(meaning="the receipt comes twice", receipts=2, after_s=0.05),
    2: Behaviour(meaning="undeliverable", state="UNDELIV", after_s=0.05),
    3: Behaviour(meaning="refused: no such number", refusal=0x0B),
    4: Behaviour(meaning="throttled once", refusal=0x58, refused=1, after_s=0.05),
}
"""By the last two digits of a number."""
DELIVERED: Final = Behaviour(meaning="delivered", after_s=0.05)
REFUSED: Final = 3


def behaviour_of(number: str) -> Behaviour:
    """What becomes of a text to a number."""
    return BEHAVIOURS.get(int(number[-2:]), DELIVERED)


def is_refused(number: str) -> bool:
    """Whether the centre takes nothing for a number."""
    return int(number[-2:]) == REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Linkage is killed `delay_s` after so many ends were told."""

    told: int
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The figures of a campaign. Half of the texts go as batches, half one by one."""

    texts: int = 10_000
    kills: int = 40
    seed: int = 1
    batch: int = 250
    """Receivers of one 224."""
    at_once: int = 200
    """220 that wait for their ends at a time."""

    def batches(self) -> Sequence[Sequence[str]]:
        """The receivers of each batch."""
        numbers = [f"138{number:08}" for number in range(self.texts // 2)]
        return [numbers[at : at + self.batch] for at in range(0, len(numbers), self.batch)]

    def singles(self) -> Sequence[str]:
        """The receivers of the 220."""
        return [f"139{number:08}" for number in range(self.texts - self.texts // 2)]

    def schedule(self) -> Sequence[Kill]:
        """The kills in their order; not after the last texts: somebody has to notice."""
        lot = random.Random(f"{self.seed} kills")
        moments = sorted(lot.randrange(self.texts * 19 // 20) for _ in range(self.kills))
        for index in range(1, self.kills):
            if lot.random() < AGAIN_AT_ONCE:
                moments[index] = moments[index - 1]
        return [
            Kill(told=moment, delay_s=lot.uniform(0, DELAY_MOST_S)) for moment in sorted(moments)
        ]


def write_config(folder: Path, centre_port: int) -> tuple[Path, int]:
    """The configuration in a folder, and the port that linkage will listen on."""
    port = free_port()  # not any: the next process must have it again
    path = folder / "linkage.toml"
    path.write_text(
        f'listen = ["127.0.0.1:{port}"]\n'
        f'[[peer]]\nid = "{DESK}"\nsecret = "{SECRET}"\nrole = "application"\n'
        '[[adapter]]\nid = "sms"\nkind = "smpp"\n[adapter.settings]\n'
        f'address = "127.0.0.1:{centre_port}"\nsystem_id = "linkage"\npassword = "secret"\n'
        'sender = "12345"\nwindow = 50\nthrottle_s = 0.05\nresponse_s = 5.0\n',
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path, port
