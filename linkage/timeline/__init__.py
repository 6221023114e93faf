"""The ladder of an event: who told whom what, and when; as text, Mermaid or SVG.

`build_ladder` turns what the store knows of an event into columns and rungs; `render_text`,
`render_mermaid` and `render_svg` draw these. Whatever a peer sent is hostile until it is drawn:
each renderer makes it harmless for its own format.
"""

from linkage.timeline.build import build_ladder, is_in_between
from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style
from linkage.timeline.mermaid import render_mermaid
from linkage.timeline.svg import render_svg
from linkage.timeline.text import render_text

__all__ = [
    "Kind",
    "Ladder",
    "Participant",
    "Rung",
    "Style",
    "build_ladder",
    "is_in_between",
    "render_mermaid",
    "render_svg",
    "render_text",
]
