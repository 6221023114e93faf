"""How the fields of a message travel: what a class of the catalogue says of each, made ready.

The plan of a class is computed once, of its annotations: a type of `protocol.fields`, an `IntEnum`
or `StrEnum`, `bool` (0/1), `datetime`, `float`, a nested element (a `Part`), or a tuple of these
(a repeated element). `X | None = None` is optional, everything else is required.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from dataclasses import MISSING, dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final

from protocol import fields

if TYPE_CHECKING:
    from protocol.message import Part

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


def plans_by_name(cls: type[Part]) -> dict[str, FieldPlan]:
    """The same by the fields' names in Python."""
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
    is_part = dataclasses.is_dataclass(hint)
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
