"""Requests and responses as plain values, and back: what msgpack can carry.

A message crosses as the tuple of its fields in the order of its class, not as XML: nothing is
rounded, and the core, for which everything waits, does not read again what people wrote by hand
(measured in docs/decisions/0009). The bytes that a peer sent go beside it, for the journal.

The reading side checks kinds (text is text, a choice is one of its members) and not sizes: those
were checked where the message was read from the wire, by a process that was let in by its key or
by the rights of the socket's directory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from operator import attrgetter
from typing import Any, Final

from protocol.envelope import Request, Response
from protocol.message import Part, made_of
from protocol.messages import message_class
from protocol.plans import FieldPlan, plan_of

Fields = tuple[Any, ...]


class PackError(ValueError):
    """Values that are none of ours."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the objects of one class cross."""

    take: Callable[[Any], Fields]
    nested: tuple[int, ...]
    """Places of fields that hold parts: those are packed one by one."""
    makers: tuple[tuple[str, Callable[[Any], Any]], ...]
    """Each field, and how its value is made of a plain one."""


_PLANS: Final[dict[type[Part], _Plan]] = {}
_envelope: Final = attrgetter("id", "seq", "time", "expire_s", "resend", "repeat", "trace", "raw")
_response: Final = attrgetter(
    "request_id", "type", "result", "detail", "call_id", "conference_id", "op_id",
    "retry_after_s", "last_seq",
)  # fmt: skip
_RESPONSE_KINDS: Final = (str, int, int, str, str, str, str, int, int)
_RESPONSE_NEEDS: Final = 3
_REQUEST_FIELDS: Final = 10


def pack_request(request: Request) -> Fields:
    """(number, fields, id, seq, time, expire_s, resend, repeat, trace, raw)."""
    message = request.message
    return (message.number, _pack_part(message), *_envelope(request))


def unpack_request(packed: Any) -> Request:
    """The request again.

    Raises:
        PackError: it is none.
    """
    if type(packed) is not tuple or len(packed) != _REQUEST_FIELDS:
        raise PackError("is no request")
    number, fields, id_, seq, time, expire_s, resend, repeat, trace, raw = packed
    cls = message_class(number) if type(number) is int else None
    if cls is None:
        raise PackError(f"type {number!r} is not in the catalogue")
    flags = type(resend) is bool and type(repeat) is bool
    if type(id_) is not str or not flags or type(raw) is not bytes:
        raise PackError("is no request")
    return Request(
        id=id_,
        message=_unpack_part(cls, fields),
        seq=_whole(seq),
        time=_time(time),
        expire_s=_whole(expire_s),
        resend=resend,
        repeat=repeat,
        trace=_text(trace),
        raw=raw,
    )


def pack_response(response: Response) -> Fields:
    """Its fields in order; what is not given at the end is left out."""
    fields: Fields = _response(response)
    if response.detail is None and fields[_RESPONSE_NEEDS:] == _NOTHING:
        return fields[:_RESPONSE_NEEDS]
    return fields


_NOTHING: Final = (None,) * (len(_RESPONSE_KINDS) - _RESPONSE_NEEDS)


def unpack_response(packed: Any) -> Response:
    """The response again.

    Raises:
        PackError: it is none.
    """
    if type(packed) is not tuple or len(packed) not in {_RESPONSE_NEEDS, len(_RESPONSE_KINDS)}:
        raise PackError("is no response")
    for place, (value, kind) in enumerate(zip(packed, _RESPONSE_KINDS, strict=False)):
        if type(value) is not kind and (value is not None or place < _RESPONSE_NEEDS):
            raise PackError("is no response")
    if len(packed) == _RESPONSE_NEEDS:
        return Response(request_id=packed[0], type=packed[1], result=packed[2])
    request_id, type_, result, detail, call_id, conference_id, op_id, retry, last_seq = packed
    return Response(
        request_id=request_id,
        type=type_,
        result=result,
        detail=detail,
        call_id=call_id,
        conference_id=conference_id,
        op_id=op_id,
        retry_after_s=retry,
        last_seq=last_seq,
    )


# --- messages and their parts --------------------------------------------------------------------
def _pack_part(part: Part) -> Fields:
    plan = _plan(type(part))
    fields = plan.take(part)
    if not plan.nested:
        return fields
    packed = list(fields)
    for place in plan.nested:
        value = packed[place]
        if type(value) is tuple:
            packed[place] = tuple([_pack_part(item) for item in value])
        elif value is not None:
            packed[place] = _pack_part(value)
    return tuple(packed)


def _unpack_part(cls: type[Any], fields: Any) -> Any:
    plan = _plan(cls)
    if type(fields) is not tuple or len(fields) != len(plan.makers):
        raise PackError(f"{cls.__name__} has {len(plan.makers)} fields")
    return made_of(
        cls,
        {
            name: make(value)
            for (name, make), value in zip(plan.makers, fields, strict=True)
            if value is not None and value != ()
        },
    )


def _plan(cls: type[Part]) -> _Plan:
    made = _PLANS.get(cls)
    if made is None:
        made = _PLANS[cls] = _make_plan(cls)
    return made


def _make_plan(cls: type[Part]) -> _Plan:
    plans = plan_of(cls)
    names = [plan.name for plan in plans]
    getter = attrgetter(*names)
    one = len(names) == 1
    return _Plan(
        take=(lambda item: (getter(item),)) if one else getter,
        nested=tuple(place for place, plan in enumerate(plans) if plan.part is not None),
        makers=tuple((plan.name, _maker(plan)) for plan in plans),
    )


def _maker(plan: FieldPlan) -> Callable[[Any], Any]:
    one = _one_maker(plan)
    if not plan.repeated:
        return one

    def make(value: Any) -> Any:
        if type(value) is not tuple:
            raise PackError(f"{plan.element} wants several")
        return tuple([one(item) for item in value])

    return make


def _one_maker(plan: FieldPlan) -> Callable[[Any], Any]:
    if plan.part is not None:
        cls = plan.part
        return lambda value: _unpack_part(cls, value)
    kind = plan.value
    assert kind is not None, "a field is a value or a part"
    if kind.options is not None:
        return _chooser(kind.options, plan.element)
    if kind.low is not None:
        return _of_kind(plan.element, int)
    return _of_kind(plan.element, *_KINDS.get(kind.name, (str,)))


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "decimal": (int, float),
    "time": (datetime,),
    "flag": (bool,),
}
"""Kinds of values that are no text, by their name in `protocol.fields`."""


def _chooser(options: type[Enum], element: str) -> Callable[[Any], Any]:
    members = {option.value: option for option in options}

    def make(value: Any) -> Any:
        try:
            return members[value]
        except (KeyError, TypeError):
            raise PackError(f"{element} is none of {options.__name__}") from None

    return make


def _of_kind(element: str, *kinds: type) -> Callable[[Any], Any]:
    def make(value: Any) -> Any:
        if type(value) not in kinds:
            raise PackError(f"{element} is {type(value).__name__}")
        return value

    return make


def _whole(value: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise PackError("wants a whole number")
    return value


def _text(value: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise PackError("wants a text")
    return value


def _time(value: Any) -> datetime | None:
    if value is not None and type(value) is not datetime:
        raise PackError("wants a time")
    return value
