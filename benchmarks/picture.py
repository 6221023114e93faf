"""Bars, as text and as SVG: figures that the eye can compare."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

TEXT_WIDTH: Final = 44
ROW: Final = 26
LABEL_WIDTH: Final = 190
BAR_WIDTH: Final = 380
FIGURE_WIDTH: Final = 90
_FONT: Final = "13px system-ui, sans-serif"


def bars(figures: Mapping[str, float]) -> str:
    """One line of text for each figure."""
    most = max(figures.values(), default=0.0) or 1.0
    width = max(map(len, figures), default=0)
    return "\n".join(
        f"{name:{width}} {'█' * max(1, round(value / most * TEXT_WIDTH))} {value:,.0f}"
        for name, value in figures.items()
    )


def svg_bars(title: str, figures: Mapping[str, float], *, ours: str) -> str:
    """A bar chart as an SVG document.

    Args:
        title: what is counted, with its unit.
        figures: name → value, in the order of the bars.
        ours: the name whose bar stands out.
    """
    most = max(figures.values(), default=0.0) or 1.0
    height = ROW * (len(figures) + 1) + 16
    width = LABEL_WIDTH + BAR_WIDTH + FIGURE_WIDTH
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="{escape(title)}">'
        ),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<g style="font: {_FONT}" fill="#1f2933">',
        f'<text x="8" y="20" font-weight="600">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(figures.items(), 1):
        top = ROW * number + 6
        length = max(1.0, value / most * BAR_WIDTH)
        color = "#0f766e" if name == ours else "#9aa5b1"
        parts += [
            f'<text x="{LABEL_WIDTH - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>',
            (
                f'<rect x="{LABEL_WIDTH}" y="{top + 3}" width="{length:.1f}" height="{ROW - 8}" '
                f'rx="2" fill="{color}"/>'
            ),
            f'<text x="{LABEL_WIDTH + length + 6:.1f}" y="{top + 16}">{value:,.0f}</text>',
        ]
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"
