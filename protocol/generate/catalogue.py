"""`catalogue.md`: every message, nested element and choice, for people."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from protocol.generate.model import (
    NOTE,
    choices_of,
    describe,
    explanation,
    is_own,
    of_direction,
    one_of,
    parts_of,
    summary,
)
from protocol.kinds import KINDS, Direction, direction_of
from protocol.message import Message, Part, find_registered
from protocol.messages import every_class
from protocol.plans import FieldPlan, plan_of

_HEAD = "| Element | Type | Must | Patent |\n|---|---|---|---|"


def catalogue() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# Catalogue of messages", "", NOTE, "")
    yield (
        "`●` is seen in the patent's examples: it is always written, `NULL` where there is no "
        "value, and it is all that a legacy peer is sent. *must* is required; `@` is an XML "
        "attribute; `…` may stand repeatedly. Every message may also carry the common elements, "
        "which its table names only where they are required or the patent's. Sizes are in "
        "characters."
    )
    yield from ("", "## Common elements", "")
    yield from _table(plan_of(Message))
    for direction in Direction:
        yield from _direction(direction)
    classes = list(every_class())
    yield from ("", "## Nested elements")
    for part in sorted(parts_of(classes), key=lambda cls: cls.__name__):
        yield from _part(part)
    yield from ("", "## Choices")
    for options in choices_of(classes):
        yield from _choice(options)


def _direction(direction: Direction) -> Iterator[str]:
    speaker, listener, *_ = KINDS[direction]
    yield from ("", f"## {direction}xx — {speaker} → {listener}", "")
    yield "| No | English | 中文 | Meaning |"
    yield "|---|---|---|---|"
    classes = of_direction(direction)
    for cls in classes:
        link = f"[{cls.english}](#{cls.number})" if _is_own_row(cls) else cls.english
        yield f"| {cls.number} | {link} | {cls.chinese} | {_cell(summary(cls))} |"
    for cls in classes:
        if _is_own_row(cls):
            yield from _message(cls)


def _is_own_row(cls: type[Message]) -> bool:
    """Mirrors have no table of their own: theirs is that of what they mirror."""
    return find_registered(cls.number) is not None


def _message(cls: type[Message]) -> Iterator[str]:
    yield from (
        "",
        f'<a id="{cls.number}"></a>',
        "",
        f"### {cls.number} {cls.english} {cls.chinese}",
    )
    page = "examples" if KINDS[direction_of(cls.number)].mirrors is None else "examples-screens"
    yield from ("", f"{explanation(cls)} ([example]({page}.md#{cls.number}))", "")
    yield from _table([plan for plan in plan_of(cls) if is_own(plan)])
    yield from _either_or(cls)


def _part(cls: type[Part]) -> Iterator[str]:
    yield from ("", f"### {cls.__name__}", "", explanation(cls), "")
    yield from _table(plan_of(cls))
    yield from _either_or(cls)


def _either_or(cls: type[Part]) -> Iterator[str]:
    for group in one_of(cls):
        yield from ("", "At least one of " + ", ".join(f"`{name}`" for name in group) + ".")


def _choice(options: type[Enum]) -> Iterator[str]:
    yield from ("", f"### {options.__name__}", "", explanation(options), "")
    yield ", ".join(
        f"`{member.value}`"
        if isinstance(member.value, str)
        else f"{member.value} {member.name.lower().replace('_', ' ')}"
        for member in options
    )


def _table(plans: tuple[FieldPlan, ...] | list[FieldPlan]) -> Iterator[str]:
    yield _HEAD
    for plan in plans:
        name = "(its text)" if plan.is_text else f"`{'@' * plan.is_attribute}{plan.element}`"
        more = " …" * plan.repeated
        must = "must" if plan.required else ""
        yield f"| {name}{more} | {_type(plan)} | {must} | {'●' * plan.patent} |"


def _type(plan: FieldPlan) -> str:
    if plan.part is not None:
        return _linked(plan.part.__name__)
    assert plan.value is not None
    written = describe(plan.value)
    if plan.value.options is not None:
        return _linked(written)
    pattern = plan.value.pattern
    return f"{written}, `{_cell(pattern)}`" if pattern else written


def _linked(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
