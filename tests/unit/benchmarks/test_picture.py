"""Bars for people."""

from lxml import etree

from benchmarks.picture import bars, svg_bars

FIGURES = {"linkage": 200.0, "a <b>": 100.0}


def test_the_longest_bar_is_the_largest_figure() -> None:
    first, second = bars(FIGURES).splitlines()
    assert first.count("█") == 2 * second.count("█")
    assert first.endswith("200")


def test_the_picture_is_well_formed_and_names_each_figure() -> None:
    root = etree.fromstring(svg_bars("notices a second", FIGURES, ours="linkage").encode())
    texts = [str(text) for text in root.itertext() if str(text).strip()]
    assert texts == ["notices a second", "linkage", "200", "a <b>", "100"]


def test_no_figures_make_no_bars() -> None:
    assert not bars({})
    assert etree.fromstring(svg_bars("nothing", {}, ours="linkage").encode()) is not None
