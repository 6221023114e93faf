"""Valid instances of any message class, built from the same plan by which the codec reads it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

from hypothesis import strategies as st

from protocol import fields
from protocol.envelope import Request
from protocol.message import Message, Part
from protocol.messages import every_class
from protocol.plans import FieldPlan, plan_of

MOST_REPEATED = 3
MILLISECOND = timedelta(milliseconds=1)

# What XML can carry and a field may hold; the characters that must be escaped come often.
_CHARACTERS = st.one_of(
    st.sampled_from("&<>\"' ]]>Az09通知"),
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"),
)
_LINES = st.sampled_from("\t\n\r \u0085\u2028")


def lines(size: int) -> st.SearchStrategy[str]:
    """A single line with nothing around it."""
    written = st.text(_CHARACTERS, min_size=1, max_size=min(size, 40)).map(str.strip)
    return written.filter(lambda value: value not in fields.NULL_TOKENS)


FREE_TEXT = st.text(st.one_of(_CHARACTERS, _LINES), min_size=1, max_size=60).filter(
    lambda value: value.strip() not in fields.NULL_TOKENS
)
DECIMALS = st.one_of(
    st.integers(-999_999_999, 999_999_999),
    st.floats(-180, 180).map(lambda value: round(value, fields.COORDINATE_DIGITS)),
)
TIMES = st.builds(
    lambda base, count, zone: (base + count * MILLISECOND).astimezone(timezone(zone)),
    st.just(datetime(1900, 1, 1, tzinfo=UTC)),
    st.integers(0, 7_000_000_000_000),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)


def values(kind: fields.Value) -> st.SearchStrategy[Any]:
    """Values that a kind of field takes."""
    if kind.options is not None:
        return st.sampled_from(list(kind.options))
    if kind.low is not None and kind.high is not None:
        return st.integers(kind.low, kind.high)
    if kind.pattern is not None:
        shaped = st.from_regex(kind.pattern, fullmatch=True).map(lambda text: text[: kind.size])
        return shaped.filter(lambda value: _taken(kind, value))
    if kind.keeps_space:
        return FREE_TEXT
    if kind.size is not None:
        written = lines(kind.size).map(kind.parse)
        return written.filter(lambda value: _taken(kind, value)) if kind.normalises else written
    return {"decimal": DECIMALS, "time": TIMES, "flag": st.booleans()}[kind.name]


def _taken(kind: fields.Value, value: str) -> bool:
    try:
        kind.check(value)
    except ValueError:
        return False
    return True


@cache
def one_value(plan: FieldPlan) -> st.SearchStrategy[Any]:
    """One value of a field, or one nested element."""
    if plan.part is not None:
        return parts(plan.part)
    assert plan.value is not None
    return values(plan.value)


@cache  # to make a strategy costs more than to draw from it
def _field(plan: FieldPlan, *, needed: bool) -> st.SearchStrategy[Any]:
    if plan.repeated:
        least = 1 if needed else 0
        return st.lists(one_value(plan), min_size=least, max_size=MOST_REPEATED).map(tuple)
    return one_value(plan) if needed else st.none() | one_value(plan)


@cache
def _one_of(group: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(group)


@st.composite
def parts(draw: st.DrawFn, cls: type[Any]) -> Any:
    """An instance with all that is required, one of each either-or, and some of the rest."""
    needed = {draw(_one_of(group)) for group in cls.needs_one_of}
    needed |= {plan.name for plan in plan_of(cls) if plan.required}
    return cls(
        **{plan.name: draw(_field(plan, needed=plan.name in needed)) for plan in plan_of(cls)}
    )


def smallest(cls: type[Part]) -> dict[str, Any]:
    """No more than is required: the fields to build an instance from."""
    needed = {group[0] for group in cls.needs_one_of}
    needed |= {plan.name for plan in plan_of(cls) if plan.required}
    return {plan.name: _example(plan) for plan in plan_of(cls) if plan.name in needed}


def _example(plan: FieldPlan) -> Any:
    one: Any
    if plan.part is not None:
        one = plan.part(**smallest(plan.part))
    else:
        assert plan.value is not None
        one = _plain(plan.value)
    return (one,) if plan.repeated else one


def _plain(kind: fields.Value) -> Any:
    if kind.options is not None:
        return next(iter(kind.options))
    if kind.low is not None:
        return kind.low
    if kind.size is not None:
        return "1" * 10
    return {
        "decimal": 1.5,
        "time": datetime(2026, 11, 22, 8, 15, tzinfo=UTC),
        "flag": True,
    }[kind.name]


CLASSES: list[type[Message]] = list(every_class())
IDS = lines(16)
_ENVELOPES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "id": IDS,
        "seq": st.none() | st.integers(0, 2**53),
        "time": st.none() | TIMES,
        "expire_s": st.none() | st.integers(0, 10**6),
        "resend": st.booleans(),
        "repeat": st.booleans(),
        "trace": st.none() | lines(55),
    }
)


@st.composite
def requests(draw: st.DrawFn, cls: type[Message]) -> Request:
    """A request with or without the profile's attributes."""
    return Request(message=draw(parts(cls)), **draw(_ENVELOPES))
