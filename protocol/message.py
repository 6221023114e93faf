"""What a message is.

A frozen class per row of the catalogue, its fields, and the plan by which the codec reads and
writes it.

A row of the catalogue becomes

```python
@notice(102, zh="挂断通知")
class HangupNotice(Message):
    call_id: CallId = field(patent=True)
    ...
```

Annotations decide how a field travels: a type of `protocol.fields`, an `IntEnum` or `StrEnum`,
`bool` (0/1), `datetime`, `float`, a `Part` (a nested element), or a tuple of these (a repeated
element). `X | None = None` is optional, everything else is required. `patent=True` marks what is
seen in the patent's examples: such elements are always written, `NULL` where there is no value,
and are all that a legacy peer is sent.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, TypeVar, dataclass_transform

from protocol import fields
from protocol.errors import InvalidMessageError
from protocol.fields import CallId, ConferenceId, EventId, LoginId, OpId, RequestId
from protocol.results import Result
from protocol.suggest import suggesting

_METADATA: Final = "linkage"
_SPELLING: Final = {"conference_id": "ConferenceID"}


@dataclass(frozen=True, slots=True)
class _Wire:
    """What `field` was told about one field."""

    element: str | None = None
    attribute: bool = False
    is_text: bool = False
    patent: bool = False
    aliases: tuple[str, ...] = ()


def field(
    *,
    element: str | None = None,
    attribute: bool = False,
    is_text: bool = False,
    patent: bool = False,
    aliases: tuple[str, ...] = (),
    default: Any = MISSING,
) -> Any:
    """Describe how a field travels.

    Args:
        element: its name on the wire, where it is not the Python name with capitals.
        attribute: an XML attribute of its `Part` instead of a child element.
        is_text: the text content of its `Part` (`<PhoneNum NumType="01">139…</PhoneNum>`).
        patent: seen in the patent's examples (● in the catalogue).
        aliases: further names that the reader accepts.
        default: as in a dataclass; leave out for a required field.
    """
    wire = _Wire(element, attribute, is_text, patent, aliases)
    return dataclasses.field(default=default, metadata={_METADATA: wire})


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How one field is read and written.

    Exactly one of `value` (text) and `part` (a nested element) is set. `name` is the attribute in
    Python, `element` the name on the wire (of an XML attribute where `is_attribute`).
    """

    name: str
    element: str
    value: fields.Value | None
    part: type[Part] | None
    repeated: bool
    required: bool
    is_attribute: bool
    is_text: bool
    patent: bool
    aliases: tuple[str, ...]


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
    plans = _plans_by_name(cls)
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
    plans = _plans_by_name(cls)
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


def element_name(name: str) -> str:
    """`phone_num` → `PhoneNum`.

    Each word's first letter upper-case, no underscores (the patent's rule).
    """
    return _SPELLING.get(name) or "".join(word.capitalize() for word in name.split("_"))


_PLANS: Final[dict[type[Part], tuple[FieldPlan, ...]]] = {}


def plan_of(cls: type[Part]) -> tuple[FieldPlan, ...]:
    """The fields of a class in writing order: its own as declared, then the inherited ones.

    A class takes a common element away by `op_id: None = None`, as it must where it has that
    element repeatedly.
    """
    made = _PLANS.get(cls)
    if made is None:
        made = _PLANS[cls] = _plan(cls)
    return made


_BY_NAME: Final[dict[type[Part], dict[str, FieldPlan]]] = {}


def _plans_by_name(cls: type[Part]) -> dict[str, FieldPlan]:
    made = _BY_NAME.get(cls)
    if made is None:
        made = _BY_NAME[cls] = {plan.name: plan for plan in plan_of(cls)}
    return made


def _plan(cls: type[Part]) -> tuple[FieldPlan, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    by_name = {item.name: item for item in dataclasses.fields(typing.cast("Any", cls))}
    own = [name for name in inspect.get_annotations(cls) if name in by_name]
    order = own + [name for name in by_name if name not in own]
    return tuple(
        _plan_field(by_name[name], hints[name])
        for name in order
        if hints[name] is not types.NoneType
    )


def _plan_field(item: dataclasses.Field[Any], hint: Any) -> FieldPlan:
    wire: _Wire = item.metadata.get(_METADATA, _Wire())
    hint = _without_none(hint)
    repeated = typing.get_origin(hint) is tuple
    if repeated:
        hint = typing.get_args(hint)[0]
    is_part = isinstance(hint, type) and issubclass(hint, Part)
    return FieldPlan(
        name=item.name,
        element=wire.element or element_name(item.name),
        value=None if is_part else _value_of(hint),
        part=hint if is_part else None,
        repeated=repeated,
        required=item.default is MISSING and item.default_factory is MISSING,
        is_attribute=wire.attribute,
        is_text=wire.is_text,
        patent=wire.patent,
        aliases=wire.aliases,
    )


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        (hint,) = [option for option in typing.get_args(hint) if option is not types.NoneType]
    return hint


def _value_of(hint: Any) -> fields.Value:
    if typing.get_origin(hint) is Annotated:
        for extra in hint.__metadata__:
            if isinstance(extra, fields.Value):
                return extra
    if isinstance(hint, type):
        if issubclass(hint, Enum):
            return fields.choice(hint)
        plain = {bool: fields.FLAG, datetime: fields.TIME, float: fields.DECIMAL}.get(hint)
        if plain is not None:
            return plain
    raise TypeError(f"{hint!r} says not how it travels: use a type of protocol.fields")
