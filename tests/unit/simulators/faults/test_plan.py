"""Plans of faults: read from TOML, refused where they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.faults import (
    Chances,
    Direction,
    Fault,
    FaultError,
    FaultPlan,
    Planned,
    load_script,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Chances(cut=1.5),
        lambda: Chances(garble=-0.1),
        lambda: FaultPlan(delay_s=-1),
        lambda: Planned(fault=Fault.CUT),
        lambda: Planned(fault=Fault.CUT, frame=1, at_s=1.0),
        lambda: Planned(fault=Fault.CUT, frame=0),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(FaultError):
        make()


def test_a_script_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[fault]]\nkind = "cut"\nframe = 10\ndirection = "down"\n\n'
        '[[fault]]\nkind = "stall"\nat_s = 2\nseconds = 3.5\nconnection = 1\n',
        encoding="utf-8",
    )
    assert load_script(path) == (
        Planned(fault=Fault.CUT, frame=10, direction=Direction.DOWN),
        Planned(fault=Fault.STALL, at_s=2, seconds=3.5, connection=1),
    )


def test_all_problems_of_a_script_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        'x = 1\n[[fault]]\nkind = "melt"\nframe = 1\n[[fault]]\nkind = "cut"\n'
        '[[fault]]\nkind = "cut"\nframe = "one"\n[[fault]]\nkind = "cut"\nfrme = 1\n',
        encoding="utf-8",
    )
    with pytest.raises(FaultError) as raised:
        load_script(path)
    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    assert all(line.startswith(str(path)) for line in lines)


@pytest.mark.parametrize("text", ["[[fault", "fault = 3", "\x00"])
def test_a_script_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FaultError, match=r"faults\.toml"):
        load_script(path)
