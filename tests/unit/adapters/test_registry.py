from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adapters import registry
from adapters.registry import ADAPTERS, AdapterLoadError, adapter_kinds, load_adapter
from linkage.ports import Adapter


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, target: str) -> None:
    """A package of somebody else's that brings the adapter kind `foreign`."""
    (folder / "foreign_adapter.py").write_text(source)
    info = folder / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[linkage.adapters]\nforeign = {target}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "foreign_adapter", raising=False)


def test_every_adapter_of_ours_can_be_loaded_by_its_kind() -> None:
    pytest.importorskip("aiohttp")
    for kind in ADAPTERS:
        assert issubclass(load_adapter(kind), Adapter)


def test_an_unknown_kind_names_those_that_there_are() -> None:
    with pytest.raises(AdapterLoadError, match=r"no adapter 'asterix'; there are: .*asterisk"):
        load_adapter("asterix")


def test_an_installed_package_can_bring_an_adapter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = (
        "from linkage.ports import Adapter\n"
        "class Foreign(Adapter):\n    name = 'foreign'\n    capabilities = {}\n"
    )
    install(monkeypatch, tmp_path, source, "foreign_adapter:Foreign")
    assert "foreign" in adapter_kinds()
    assert load_adapter("foreign").name == "foreign"


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        ("import no_such_library", "foreign_adapter:Foreign", "needs no_such_library"),
        ("", "foreign_adapter:Foreign", "has no 'Foreign'"),
        ("Foreign = 7", "foreign_adapter:Foreign", "is no subclass"),
        ("", "no_such_module:Foreign", "needs no_such_module"),
        ("1 / 0", "foreign_adapter:Foreign", "cannot be imported: ZeroDivisionError"),
        ("from os import no_such", "foreign_adapter:Foreign", "cannot be imported: ImportError"),
        ("def f(:", "foreign_adapter:Foreign", "cannot be imported: SyntaxError"),
        ("None.x", "foreign_adapter:Foreign", "cannot be imported: AttributeError"),
    ],
)
def test_what_cannot_be_used_is_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, target: str, problem: str
) -> None:
    install(monkeypatch, tmp_path, source, target)
    with pytest.raises(AdapterLoadError, match=problem):
        load_adapter("foreign")


def test_a_missing_library_of_ours_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "needs_vendor.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.ADAPTERS, "vendor", "needs_vendor:Vendor")
    with pytest.raises(AdapterLoadError, match=r"pip install 'linkage\[vendor\]'"):
        load_adapter("vendor")


def test_a_package_cannot_take_over_a_kind_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ours.py").write_text(
        "from linkage.ports import Adapter\n"
        "class Ours(Adapter):\n    name = 'ours'\n    capabilities = {}\n"
    )
    install(monkeypatch, tmp_path, "Foreign = 7", "foreign_adapter:Foreign")
    monkeypatch.setitem(registry.ADAPTERS, "foreign", "ours:Ours")
    assert load_adapter("foreign").name == "ours"
