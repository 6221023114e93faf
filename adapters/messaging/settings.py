"""What may be set of every channel of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from linkage.config.fields import NotNegative, Positive


@dataclass(frozen=True, kw_only=True)
class MessagingSettings:
    """How fast texts go out, how long answers are waited for, and what is sent to whom."""

    window: Annotated[int, Field(ge=1, le=1000)] = 10
    """how many texts may be without an answer of the centre"""
    per_second: NotNegative = 0.0
    """how many parts are submitted in a second; 0: as fast as the centre answers"""
    response_s: Annotated[float, Field(gt=0, le=25)] = 10.0
    """after so long without an answer, what became of a text is unknown"""
    throttle_s: Positive = 1.0
    """how long nothing is submitted when the centre is given too much; longer each time"""
    receipt_within_s: Positive = 172_800.0
    """how long receipts are waited for, after the text's own validity where it has one"""
    progress_s: Positive = 5.0
    """seconds between two 124 of a batch"""
    blocked: tuple[str, ...] = ()
    """numbers that are sent nothing (Reason 204), `*` at the end: all that begin so"""
    templates: Mapping[str, str] = field(default_factory=dict)
    """`TemplateId` → text, with `{name}` where a parameter goes"""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`GroupId` of a 224 → the numbers in it"""

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise ValueError("\n".join(problems))

    def problems(self) -> Iterator[str]:
        """What of the settings is of no use, a line each."""
        for name, template in self.templates.items():
            if not template.strip():
                yield f"templates.{name}: is empty"
