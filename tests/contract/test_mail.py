"""The adapter of mail servers keeps the contract of every adapter."""

from __future__ import annotations

from adapters.mail import MailAdapter
from pytest_linkage.contract.adapter import AdapterContract
from tests.contract.mail_platform import MailPlatform


class TestMail(AdapterContract):
    adapter = MailAdapter

    def make_platform(self) -> MailPlatform:
        return MailPlatform()
