"""What tests of several packages share: stores with the patent's two embodiments, and profiles.

The profiles of Hypothesis: `dev` while working, `ci` at the gate, `nightly` for long hunts. Chosen
by HYPOTHESIS_PROFILE; `make test` chooses `ci`, where the examples are the same in every run. None
measures time: the machines are shared, and a slow example proves nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", BUSY, max_examples=30)
settings.register_profile("ci", BUSY, max_examples=30, derandomize=True)
settings.register_profile("nightly", BUSY, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

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
    from tests.fakes.embodiments import Writer, write_alarm, write_conference

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
