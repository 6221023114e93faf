"""The adapter of SMS centres keeps the contract of every adapter."""

from __future__ import annotations

from adapters.smpp import SmppAdapter
from pytest_linkage.contract.adapter import AdapterContract
from tests.contract.smpp_platform import SmppPlatform


class TestSmpp(AdapterContract):
    adapter = SmppAdapter

    def make_platform(self) -> SmppPlatform:
        return SmppPlatform()
