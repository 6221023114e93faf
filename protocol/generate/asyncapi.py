"""`asyncapi.json`: the catalogue as an AsyncAPI 3.0 document, a channel for each direction.

The payload schemas describe the XML as JSON Schema does: an element is a property, a repeated one
an array; `x-xml-attribute` and `x-xml-text` mark what is not a child element.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from protocol.fields import Value
from protocol.generate.model import (
    NOTE,
    explanation,
    is_own,
    of_direction,
    one_of,
    parts_of,
    summary,
)
from protocol.kinds import KINDS, Direction
from protocol.message import Message, Part
from protocol.messages import every_class, source_of
from protocol.messages.mirror import LOOSENED
from protocol.plans import FieldPlan, plan_of

ASYNCAPI: Final = "3.0.0"
PROTOCOL_VERSION: Final = "1.0.0"
COMMON_ELEMENTS: Final = "CommonElements"
_HEADERS: Final = {
    "type": "object",
    "description": "Attributes of the request; all but Id and Type belong to the profile.",
    "properties": {
        "Id": {"type": "string", "minLength": 1, "maxLength": 16},
        "Type": {"type": "string", "pattern": "^[1-6][0-9]{2}$"},
        "Seq": {"type": "integer", "minimum": 0},
        "Time": {"type": "string", "format": "date-time"},
        "Expire": {"type": "integer", "minimum": 0},
        "Resend": {"type": "string", "enum": ["0", "1"]},
        "Repeat": {"type": "string", "enum": ["0", "1"]},
        "Trace": {"type": "string", "maxLength": 64},
    },
    "required": ["Id", "Type"],
}
_RESPONSE: Final = {
    "type": "object",
    "properties": {
        "RequestId": {"type": "string", "minLength": 1, "maxLength": 16},
        "Type": {"type": "string", "pattern": "^[1-6][0-9]{2}$"},
        "Result": {"type": "integer", "minimum": 0},
        "Detail": {"type": "string"},
        "CallId": {"type": "string", "maxLength": 20},
        "ConferenceID": {"type": "string", "maxLength": 20},
        "OpId": {"type": "string", "maxLength": 20},
        "RetryAfter": {"type": "integer", "minimum": 0},
        "LastSeq": {"type": "integer", "minimum": 0},
    },
    "required": ["RequestId", "Type", "Result"],
}


def asyncapi() -> str:
    """The whole document."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def document() -> dict[str, Any]:
    """The document as data."""
    classes = list(every_class())
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "EventID protocol",
            "version": PROTOCOL_VERSION,
            "description": "Requests and responses in XML, framed over TCP (flag, reserved, "
            f"length). {NOTE}",
        },
        "defaultContentType": "application/xml",
        "channels": dict(_channel(direction) for direction in Direction),
        "operations": dict(_operation(direction) for direction in Direction),
        "components": {
            "messages": {_key(cls): _message(cls) for cls in classes} | {"response": _response()},
            "schemas": {"requestAttributes": _HEADERS, "response": _RESPONSE}
            | {COMMON_ELEMENTS: _object(Message, plan_of(Message))}
            | {_key(cls): _payload(cls) for cls in classes}
            | {part.__name__: _object(part, plan_of(part)) for part in parts_of(classes)},
        },
    }


def _key(cls: type[Message]) -> str:
    return f"{cls.number}-{cls.english}"


def _camel(direction: Direction) -> str:
    first, *others = direction.name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)


def _channel(direction: Direction) -> tuple[str, dict[str, Any]]:
    speaker, listener, *_ = KINDS[direction]
    messages = {_key(cls): _reference("messages", _key(cls)) for cls in of_direction(direction)}
    return _camel(direction), {
        "address": None,
        "title": f"{direction}xx",
        "description": f"From the {speaker} to the {listener}.",
        "messages": messages | {"response": _reference("messages", "response")},
    }


def _operation(direction: Direction) -> tuple[str, dict[str, Any]]:
    name = _camel(direction)
    channel = f"#/channels/{name}"
    speaker = KINDS[direction].speaker
    requests = [{"$ref": f"{channel}/messages/{_key(cls)}"} for cls in of_direction(direction)]
    return f"{name}Request", {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": f"What the {speaker} says; each request is owed one response.",
        "messages": requests,
        "reply": {
            "channel": {"$ref": channel},
            "messages": [{"$ref": f"{channel}/messages/response"}],
        },
    }


def _message(cls: type[Message]) -> dict[str, Any]:
    return {
        "name": cls.english,
        "title": f"{cls.number} {cls.chinese}",
        "summary": summary(cls),
        "contentType": "application/xml",
        "headers": _reference("schemas", "requestAttributes"),
        "payload": _reference("schemas", _key(cls)),
    }


def _response() -> dict[str, Any]:
    return {
        "name": "Response",
        "title": "Accepted or refused; it carries no data",
        "contentType": "application/xml",
        "payload": _reference("schemas", "response"),
    }


def _payload(cls: type[Message]) -> dict[str, Any]:
    """The common elements, or what a mirror mirrors, and what the class adds to them."""
    source = source_of(cls.number)
    if source is None or cls.number in LOOSENED:
        own = [plan for plan in plan_of(cls) if is_own(plan)]
        base = _reference("schemas", COMMON_ELEMENTS)
    else:
        theirs = plan_of(source)
        own = [plan for plan in plan_of(cls) if plan not in theirs]
        base = _reference("schemas", _key(source))
    return {"allOf": [base, _object(cls, own)]}


def _object(cls: type[Part], plans: Sequence[FieldPlan]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "description": explanation(cls),
        "properties": {_property_name(plan): _property(plan) for plan in plans},
    }
    required = [_property_name(plan) for plan in plans if plan.required]
    if required:
        made["required"] = required
    groups = one_of(cls)
    if groups:
        made["allOf"] = [{"anyOf": [{"required": [name]} for name in group]} for group in groups]
    return made


def _property_name(plan: FieldPlan) -> str:
    return "text()" if plan.is_text else plan.element


def _property(plan: FieldPlan) -> dict[str, Any]:
    if plan.part is not None:
        one = _reference("schemas", plan.part.__name__)
    else:
        assert plan.value is not None
        one = _value(plan.value)
    if plan.repeated:
        return {"type": "array", "items": one} | ({"minItems": 1} if plan.required else {})
    if plan.is_attribute:
        one["x-xml-attribute"] = True
    if plan.is_text:
        one["x-xml-text"] = True
    if plan.patent:
        one["x-patent"] = True
    return one


def _value(value: Value) -> dict[str, Any]:
    if value.options is not None:
        members = list(value.options)
        kind = "string" if isinstance(members[0].value, str) else "integer"
        names = [member.name for member in members]
        return {"type": kind, "enum": [one.value for one in members], "x-enum-varnames": names}
    if value.size is not None:
        shape = {"pattern": f"^({value.pattern})$"} if value.pattern else {}
        return {"type": "string", "minLength": 1, "maxLength": value.size} | shape
    if value.low is not None:
        return {"type": "integer", "minimum": value.low, "maximum": value.high}
    others: dict[str, dict[str, Any]] = {
        "decimal": {"type": "number"},
        "time": {"type": "string", "format": "date-time"},
        "flag": {"type": "string", "enum": ["0", "1"]},
    }
    return others[value.name]


def _reference(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
