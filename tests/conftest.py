"""What tests of several packages share: stores that hold the patent's two embodiments."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = """\
listen = ["127.0.0.1:0"]

[[peer]]
id = "desk"
role = "application"
secret = "for-tests-only-desk"

[[peer]]
id = "pbx"
role = "platform"
secret = "for-tests-only-pbx"
"""


@pytest.fixture
def alarm_config(tmp_path: Path) -> Path:
    """A configuration whose store holds both embodiments: EventIds 1213243 and 1213244."""
    # Imported here: most tests have no store, and collecting them must not wait for SQLAlchemy.
    from tests.unit.store.embodiments import Writer, write_alarm, write_conference

    path = tmp_path / "linkage.toml"
    path.write_text(CONFIG)
    writer = Writer(tmp_path / "data" / "linkage.db")
    write_alarm(writer)
    write_conference(writer)
    writer.close()
    return path


@pytest.fixture
def alarm_store(alarm_config: Path) -> Path:
    """The database of `alarm_config`."""
    return alarm_config.parent / "data" / "linkage.db"
