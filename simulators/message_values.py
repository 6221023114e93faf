"""Messages from and to the words of a scenario file: element names and plain values.

```toml
with = { CallId = "$CallId", Type = 1, PhoneNum = [{ NumType = "01", text = "13912344444" }] }
```
Keys are the names on the wire. `$Name` stands for an element of the message that set off the rule
(NULL where it has no value). A nested element is a table, a repeated one a list; `text` is what
stands between its tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from protocol.errors import InvalidMessageError
from protocol.fields import NULL_TOKENS
from protocol.message import Message, Part
from protocol.plans import FieldPlan, plan_of
from protocol.suggest import nearest

TEXT_KEY: Final = "text"
ANY: Final = "*"
"""In `where`: whatever value it has, but some."""

# TOML has no type that could say more: strings, numbers, booleans, tables and lists of these.
Words = Mapping[str, Any]


class ComposeError(ValueError):
    """A value or name in a scenario that the message has no place for."""


def build(cls: type[Message], words: Words, trigger: Message | None = None) -> Message:
    """The message that the words describe.

    Raises:
        ComposeError: an unknown element, a value out of range, or a required element missing.
    """
    built = _build(cls, words, trigger, cls.__name__)
    assert isinstance(built, Message)
    return built


def check(cls: type[Message], words: Words) -> None:
    """Find what is wrong with a rule before it runs; `$Name` fits everywhere.

    Raises:
        ComposeError: as `build`, but for what only the trigger can tell.
    """
    plans = {_key(plan): plan for plan in plan_of(cls)}
    _refuse_unknown(words, plans, cls.__name__)
    if not any(_is_placeholder(value) for value in words.values()):
        build(cls, words)


def texts(message: Part) -> dict[str, str]:
    """Element name → text of every field that is no nested element; NULL for no value."""
    return {
        plan.element: _text_of(plan, getattr(message, plan.name))
        for plan in plan_of(type(message))
        if plan.value is not None and not plan.repeated
    }


def fits(message: Message, words: Words) -> bool:
    """True when every element named has the value given; NULL asks for no value, `*` for any."""
    return not differences(message, words)


def differences(message: Message, words: Words) -> dict[str, str]:
    """Of the elements named, those that have another value, with what they have."""
    found = texts(message)
    return {
        name: found.get(name, "NULL")
        for name, value in words.items()
        if not _is_value(found.get(name, "NULL"), value)
    }


def _is_value(text: str, wanted: Any) -> bool:
    return text != "NULL" if wanted == ANY else text == _as_text(wanted)


def elements(cls: type[Message]) -> list[str]:
    """Names of the plain elements that a message of this class can carry."""
    return [plan.element for plan in _plain_plans(cls)]


def problem_with(cls: type[Message], name: str, written: Any) -> str | None:
    """Why a plain element never has this value; None: it may."""
    text = _as_text(written)
    if isinstance(written, dict | list) or _is_placeholder(written):
        return "write a plain value"
    if text in NULL_TOKENS:
        return None
    (plan,) = (plan for plan in _plain_plans(cls) if plan.element == name)
    assert plan.value is not None
    try:
        kept = plan.value.format(plan.value.parse(text))
    except ValueError as error:
        return str(error)
    return None if kept == text else f"write it as {kept!r}"


def _plain_plans(cls: type[Message]) -> list[FieldPlan]:
    return [plan for plan in plan_of(cls) if plan.value is not None and not plan.repeated]


def _build(cls: type[Part], words: Words, trigger: Message | None, where: str) -> Part:
    plans = {_key(plan): plan for plan in plan_of(cls)}
    _refuse_unknown(words, plans, where)
    values: dict[str, Any] = {}
    for name, written in words.items():
        plan = plans[name]
        at = f"{where}.{name}"
        if plan.repeated:
            items = written if isinstance(written, list) else [written]
            values[plan.name] = tuple(_one(plan, item, trigger, at) for item in items)
        else:
            values[plan.name] = _one(plan, written, trigger, at)
    missing = [name for name, plan in plans.items() if plan.required and plan.name not in values]
    if missing:
        raise ComposeError(f"{where}: {', '.join(missing)} is missing")
    try:
        return cls(**values)
    except InvalidMessageError as error:
        raise ComposeError(f"{where}: {error}") from None


def _one(plan: FieldPlan, written: Any, trigger: Message | None, where: str) -> Any:
    if plan.part is not None:
        if not isinstance(written, dict):
            raise ComposeError(f"{where}: wants a table of elements, not {written!r}")
        return _build(plan.part, written, trigger, where)
    assert plan.value is not None
    text = _as_text(written)
    if _is_placeholder(written):
        text = "NULL" if trigger is None else texts(trigger).get(text[1:], "NULL")
    if text in NULL_TOKENS:
        return None
    try:
        return plan.value.parse(text)
    except ValueError as error:
        raise ComposeError(f"{where}: {text!r} {error}") from None


def _refuse_unknown(words: Words, plans: Mapping[str, FieldPlan], where: str) -> None:
    unknown = [name for name in words if name not in plans]
    if unknown:
        known = ", ".join(sorted(plans))
        near = {name: nearest(name, plans) for name in unknown}
        meant = "".join(f"; did you mean {each!r}?" for each in near.values() if each)
        raise ComposeError(f"{where}: has no {', '.join(unknown)}; it has {known}{meant}")


def _key(plan: FieldPlan) -> str:
    return TEXT_KEY if plan.is_text else plan.element


def _is_placeholder(written: Any) -> bool:
    return isinstance(written, str) and written.startswith("$")


def _text_of(plan: FieldPlan, value: Any) -> str:
    assert plan.value is not None
    return "NULL" if value is None else plan.value.format(value)


def _as_text(written: Any) -> str:
    if isinstance(written, bool):
        return "1" if written else "0"
    return str(written)
