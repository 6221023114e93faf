"""The page of the settings names each with its meaning and its default."""

from __future__ import annotations

import pytest

from linkage.config.field_docstrings import meanings
from linkage.config.problems import names_of
from linkage.reference.settings import SECTIONS, reference_text

ALIASES = {"secret": "inline_secret"}


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items(), ids=str)
def test_every_setting_says_what_it_means(heading: str, model: type) -> None:
    told = meanings(model)
    assert [name for name in names_of(model) if not told.get(ALIASES.get(name, name))] == []
    assert heading in reference_text()


def test_a_setting_is_told_with_its_default_as_it_would_be_written() -> None:
    page = reference_text()

    for row in (
        '| `id` | `"linkage"` |',
        '| `listen` | `["127.0.0.1:7700"]` |',
        '| `listen` | `"127.0.0.1:9464"` |',
        "| `secret` | none |",
        "| `queue_bytes` | `2147483648` |",
        "| `heartbeat_s` | `10` |",
        "| `tls` | `false` |",
        "| `[[peer]]` | none |",
        "| `[peer.dialect]` |  |",
        "| `[adapter.settings.hotline.NUMBER]` | none |",
    ):
        assert f"\n{row}" in page
    assert "`password_file`" in page
    assert "`headers_file`" not in page
