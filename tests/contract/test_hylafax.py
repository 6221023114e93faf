"""The adapter of HylaFAX servers keeps the contract of every adapter."""

from __future__ import annotations

from adapters.hylafax import HylafaxAdapter
from pytest_linkage.contract.adapter import AdapterContract
from tests.contract.hylafax_platform import HylafaxPlatform


class TestHylafax(AdapterContract):
    adapter = HylafaxAdapter

    def make_platform(self) -> HylafaxPlatform:
        return HylafaxPlatform()
