"""How the interpreter is tuned while linkage serves, and that it is as before afterwards."""

from __future__ import annotations

import gc
import sys

import pytest

from linkage.cli.shared.loop import GC_THRESHOLDS, SWITCH_EVERY_S, settled_in


def test_the_collector_looks_only_at_what_comes_later_and_threads_give_way_soon() -> None:
    before = gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()

    with settled_in():
        assert gc.isenabled()
        assert gc.get_threshold() == GC_THRESHOLDS
        assert sys.getswitchinterval() == pytest.approx(SWITCH_EVERY_S)
        assert gc.get_freeze_count() > 1000

    assert (gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()) == before


def test_everything_is_as_before_after_an_error_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), settled_in():
        raise ZeroDivisionError
    assert gc.get_threshold() == before
