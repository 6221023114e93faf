"""`codes.md`: result codes and reason codes (protocol.md#results, #reasons)."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.generate.model import NOTE
from protocol.reasons import Q850_REASONS, REASON_TEXT, SIP_REASONS, Reason
from protocol.results import RESULT_TEXT, Result


def codes() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# Codes", "", NOTE, "", "## Results", "")
    yield (
        "Attribute `Result` of a response, and element `Result` of a notice that tells what came "
        "of a command. 0–9 is accepted, everything else refused; 900–999 are private."
    )
    yield from ("", "| Code | Name | English | 中文 |", "|---|---|---|---|")
    for result in Result:
        english, chinese = RESULT_TEXT[result]
        yield f"| {result} | `{result.name}` | {english} | {chinese} |"
    yield from ("", "## Reasons", "")
    yield (
        "Element `Reason`; `NULL` is success, 900–999 are private. The Q.850 causes and SIP "
        "statuses are those from which the reason is made; other causes make 123, other 5xx 122."
    )
    yield from ("", "| Code | Name | English | 中文 | Q.850 | SIP |", "|---|---|---|---|---|---|")
    for reason in Reason:
        english, chinese = REASON_TEXT[reason]
        causes = _sources(Q850_REASONS, reason)
        statuses = _sources(SIP_REASONS, reason)
        yield f"| {reason} | `{reason.name}` | {english} | {chinese} | {causes} | {statuses} |"


def _sources(table: dict[int, Reason], reason: Reason) -> str:
    return ", ".join(str(code) for code in sorted(table) if table[code] is reason)
