"""What a message is: a frozen class per row of the catalogue.

```python
@notice(102, zh="挂断通知")
class HangupNotice(Message):
    call_id: CallId = field(patent=True)
    ...
```

Annotations decide how a field travels (`protocol.plans`). `patent=True` marks what is seen in the
patent's examples: such elements are always written, `NULL` where there is no value, and are all
that a legacy peer is sent.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar, dataclass_transform

from protocol import fields
from protocol.errors import InvalidMessageError
from protocol.fields import CallId, ConferenceId, EventId, LoginId, OpId, RequestId
from protocol.plans import FieldPlan, field, plan_of, plans_by_name
from protocol.results import Result
from protocol.suggest import suggesting


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Part:
    """A nested element, such as `Group`, `Staff`, `Item` or `Record`.

    Subclasses are frozen and keyword-only; construction checks every value and raises
    `InvalidMessageError`. `needs_one_of` holds groups of field names: of each group at least one
    must be given (`CallId|ConferenceID|PhoneNum`).

    An instance keeps what is present only; what is absent is the default of its class, None or
    `()`. Most messages have a third of their fields, so they are read, copied and written by what
    they have (docs/decisions/0015-a-message-keeps-what-is-present.md).
    """

    needs_one_of: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __post_init__(self) -> None:
        given = self.__dict__
        present: dict[str, Any] = {}
        for plan in plan_of(type(self)):
            value = given[plan.name]
            if _is_absent(value) or (value == "" and not plan.repeated):
                if plan.required:
                    raise InvalidMessageError(Result.MISSING_FIELD, plan.element, "is missing")
            else:
                _check(plan, value)
                present[plan.name] = value
        _keep(self, present)
        _check_one_of(self)


_keep = Part.__dict__["__dict__"].__set__
"""Give an object its values: past the freeze, and at once."""


def made_of(cls: type[P], present: dict[str, Any]) -> P:
    """An object of values that were checked already, past construction and its checks.

    Args:
        cls: the class.
        present: by field, what is there; never what stands for absence. The object's from now on.
    """
    made = object.__new__(cls)
    _keep(made, present)
    return made


def _check_one_of(item: Part) -> None:
    for group in item.needs_one_of:
        if all(_is_absent(getattr(item, name)) for name in group):
            elements = "|".join(_elements_of(type(item), group))
            raise InvalidMessageError(Result.MISSING_FIELD, elements, "one of these is needed")


def _check(plan: FieldPlan, value: Any) -> None:
    if not plan.repeated:
        _check_one(plan, value)
    elif isinstance(value, tuple):
        for item in value:
            _check_one(plan, item)
    else:
        raise InvalidMessageError(Result.BAD_VALUE, plan.element, "wants a tuple")


def _is_absent(value: Any) -> bool:
    return value is None or value == ()


def _elements_of(cls: type[Part], names: tuple[str, ...]) -> list[str]:
    return [plan.element for plan in plan_of(cls) if plan.name in names]


def _check_one(plan: FieldPlan, value: Any) -> None:
    if plan.part is not None:
        if not isinstance(value, plan.part):
            raise InvalidMessageError(
                Result.BAD_VALUE, plan.element, f"wants {plan.part.__name__}"
            )
        return
    assert plan.value is not None
    try:
        plan.value.check(value)
    except ValueError as error:
        raise InvalidMessageError(Result.BAD_VALUE, plan.element, str(error)) from None


C = TypeVar("C", bound=type)
M = TypeVar("M", bound="Message")
P = TypeVar("P", bound="Part")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def part(cls: C) -> C:
    """Class decorator: a nested element as a frozen, keyword-only dataclass."""
    for name, hint in inspect.get_annotations(cls).items():
        if name not in vars(cls) and "ClassVar" not in str(hint):
            # Required here. Without this, the default of a field that the base class has by the
            # same name would be taken for the default of this one.
            setattr(cls, name, dataclasses.field())
    made: type[Any] = dataclass(frozen=True, kw_only=True)(cls)
    made.__init__ = suggesting(made.__init__)
    return typing.cast("C", made)


@part
class Message(Part):
    """Base of every business message.

    Its fields are the catalogue's common elements, all optional.

    `result` and `detail` are this project's: a notice that reports what became of a command
    (`request_id`) carries a result code (protocol.md#results) when the command failed (see
    docs/decisions).
    """

    number: ClassVar[int] = 0
    english: ClassVar[str] = ""
    chinese: ClassVar[str] = ""

    event_id: EventId | None = None
    call_id: CallId | None = None
    conference_id: ConferenceId | None = None
    login_id: LoginId | None = None
    op_id: OpId | None = None
    parent_call_id: CallId | None = None
    request_id: RequestId | None = None
    result: fields.ResultCode | None = None
    detail: fields.Line | None = None


def amended(message: M, **changes: Any) -> M:
    """The message with some fields changed; only those are checked anew.

    What `dataclasses.replace` does at a tenth of its price: the hot path fills EventId and OpId
    into every notice. A common element that the class does not have stays away.

    Raises:
        InvalidMessageError: a new value is out of its range, or takes away what is required.
    """
    cls = type(message)
    plans = plans_by_name(cls)
    present = message.__dict__.copy()
    loses = False
    for name, value in changes.items():
        plan = plans.get(name)
        if plan is None:
            continue
        if not _is_absent(value):
            if value is not present.get(name):
                _check(plan, value)
            present[name] = value
        elif plan.required:
            raise InvalidMessageError(Result.MISSING_FIELD, plan.element, "is missing")
        elif name in present:
            loses = True
            del present[name]
    made = made_of(cls, present)
    if loses:
        _check_one_of(made)
    return made


def filled(message: M, values: Mapping[str, Any]) -> M:
    """As `amended`, with values that were checked in another message and are not absent."""
    cls = type(message)
    plans = plans_by_name(cls)
    present = message.__dict__.copy()
    for name, value in values.items():
        if name in plans:
            present[name] = value
    return made_of(cls, present)


COMMON: Final = tuple(plan.name for plan in dataclasses.fields(Message))
"""Names of the common elements, in writing order."""

_CLASSES: Final[dict[int, type[Message]]] = {}


def _register(number: int, zh: str) -> Callable[[C], C]:
    def decorate(cls: C) -> C:
        made = part(cls)
        made.number = number  # type: ignore[attr-defined]  # C is a type[Message]: bound types cannot say so
        made.english = cls.__name__  # type: ignore[attr-defined]  # the same
        made.chinese = zh  # type: ignore[attr-defined]  # the same
        if number in _CLASSES:
            raise TypeError(f"{number} is {_CLASSES[number].__name__} already, and {cls.__name__}")
        _CLASSES[number] = typing.cast("type[Message]", made)
        return made

    return decorate


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def notice(number: int, *, zh: str) -> Callable[[C], C]:
    """Class decorator for a row of the catalogue: a 1xx from the communication platform."""
    return _register(number, zh)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def command(number: int, *, zh: str) -> Callable[[C], C]:
    """Class decorator for a row of the catalogue: a 2xx from the business platform."""
    return _register(number, zh)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def screen(number: int, *, zh: str) -> Callable[[C], C]:
    """Class decorator for a 3xx–6xx that the mirror rule does not give (log-in, log-out)."""
    return _register(number, zh)


def registered() -> Iterator[type[Message]]:
    """Every class that a decorator has registered, by number."""
    for number in sorted(_CLASSES):
        yield _CLASSES[number]


def find_registered(number: int) -> type[Message] | None:
    """The class registered for a number, None where the catalogue has no such row."""
    return _CLASSES.get(number)
