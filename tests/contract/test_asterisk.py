"""The Asterisk adapter keeps the contract of every adapter."""

from __future__ import annotations

from adapters.asterisk import AsteriskAdapter
from pytest_linkage.contract.adapter import AdapterContract
from tests.contract.asterisk_platform import AsteriskPlatform


class TestAsterisk(AdapterContract):
    adapter = AsteriskAdapter

    def make_platform(self) -> AsteriskPlatform:
        return AsteriskPlatform()
