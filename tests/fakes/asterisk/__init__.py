"""An Asterisk in the test's own process: as much of ARI as the adapter uses, no sound.

It says what the recordings in `tests/fixtures/ari` show that a real one says (`test_fake_asterisk`
compares them), and the same adapter tests run against a real one in `tests/real`. Telephones do
nothing by themselves: a test lets them be picked up or hung up.
"""

from __future__ import annotations

from tests.fakes.asterisk.channels import WAV, Bridge, Line, describe_bridge, wav
from tests.fakes.asterisk.server import FakeAsterisk
from tests.fakes.asterisk.switch import PASSWORD

__all__ = ["PASSWORD", "WAV", "Bridge", "FakeAsterisk", "Line", "describe_bridge", "wav"]
