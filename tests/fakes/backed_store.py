"""A store with recordings, and its backups."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from linkage.store.sqlite.backup import (
    Made,
    Maker,
    make_backup,
)
from linkage.store.sqlite.restore import Restored, restore
from protocol import messages as m
from tests.fakes.core_bench import Bench

BY = Maker("linkage", "0.1.0")


class Backed(Bench):
    """A bench with recordings, of which backups are made."""

    @property
    def data(self) -> Path:
        return self.config.data_path

    def record(self, name: str = "ab12", content: bytes = b"RIFF") -> Path:
        path = self.config.files_path / name[:2] / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.say(
            "pbx",
            m.RecordingNotice(
                call_id="C1", record_id=name, action=m.RecordingNoticeAction.SAVED,
                file_id=name, sha256=hashlib.sha256(content).hexdigest(),
            ),
        )  # fmt: skip
        return path

    def backup(self, into: Path, **options: Any) -> Made:
        self.clock.advance(60)
        advance = options.pop("advance", _ignore)
        return make_backup(self.data, into, BY, self.clock.utc(), advance, **options)


def _ignore(_bytes: int) -> None:
    pass


def put_back(backup: Path, data: Path, now: datetime, **options: Any) -> Restored:
    return restore(backup, data, now, _ignore, **options)
