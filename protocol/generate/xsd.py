"""An XML schema (XSD 1.0) for each message type, one for the response, and the types they share.

A schema says what our writer sends and what a peer should send. Order is free as in the reader: a
message without repeated elements is an `xs:all`, in which required elements are required; XSD 1.0
has no free order for repeated ones, so the others are a repeated `xs:choice`. Unknown attributes
pass; unknown elements, which the reader ignores, XSD 1.0 cannot let pass beside known ones.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from protocol.envelope import REQUEST_ID_MAX
from protocol.fields import FLAG, NULL_TOKENS, TIME, Value, number, text
from protocol.generate.model import explanation, one_of, parts_of
from protocol.message import Message, Part
from protocol.messages import every_class
from protocol.plans import FieldPlan, plan_of

NAMESPACE: Final = "http://www.w3.org/2001/XMLSchema"
TYPES_FILE: Final = "types.xsd"
NO_VALUE: Final = "NoValue"

_COUNT: Final = number(0)
_REQUEST_ID: Final = text(REQUEST_ID_MAX)
_TYPE: Final = text(3, pattern="[1-6][0-9]{2}", name="Type")
_REQUEST_ATTRIBUTES: Final = {
    "Seq": _COUNT,
    "Time": TIME,
    "Expire": _COUNT,
    "Resend": FLAG,
    "Repeat": FLAG,
    "Trace": text(64),
}
_RESPONSE_ATTRIBUTES: Final = {
    "Detail": text(1000),
    "CallId": text(20),
    "ConferenceID": text(20),
    "OpId": text(20),
    "RetryAfter": _COUNT,
    "LastSeq": _COUNT,
}


def request_schema(cls: type[Message]) -> str:
    """The schema of one message type."""
    title = f"{cls.number} {cls.english} {cls.chinese}\n{_told(cls)}"
    body = _xs("complexType", _content(cls))
    body.append(_attribute("Id", _REQUEST_ID, required=True))
    body.append(_xs("attribute", name="Type", use="required", fixed=f"{cls.number:03d}"))
    return _schema_of("request", title, body, _REQUEST_ATTRIBUTES)


def response_schema() -> str:
    """The schema of the response to any request."""
    body = _xs("complexType")
    for name, value in (("RequestId", _REQUEST_ID), ("Type", _TYPE), ("Result", _COUNT)):
        body.append(_attribute(name, value, required=True))
    title = "The response that each request is owed: accepted or refused."
    return _schema_of("response", title, body, _RESPONSE_ATTRIBUTES)


def types_schema() -> str:
    """The schema of nested elements and values, which the others include."""
    classes = list(every_class())
    parts = sorted(parts_of(classes), key=lambda part: part.__name__)
    values = {_REQUEST_ID, _TYPE, *_REQUEST_ATTRIBUTES.values(), *_RESPONSE_ATTRIBUTES.values()}
    for cls in (*classes, *parts):
        values |= {plan.value for plan in plan_of(cls) if plan.value is not None}
    by_name = {type_name(value): value for value in values}
    schema = _xs("schema", _documented("What the schemas of the messages have in common."))
    schema.append(_no_value())
    for name in sorted(by_name):
        schema.append(_xs("simpleType", _restriction(by_name[name]), name=name))
        union = _xs("union", memberTypes=f"{name} {NO_VALUE}")
        schema.append(_xs("simpleType", union, name=_or_null(name)))
    schema.extend(_complex_type(part) for part in parts)
    return _written(schema)


def type_name(value: Value) -> str:
    """What the schemas call a kind of value: `Text20`, `CallState`, `Digits`, `Time`."""
    if value.low is not None:
        return f"Number{value.low}To{value.high}"
    return value.name[0].upper() + value.name[1:]


def _or_null(name: str) -> str:
    return f"{name}OrNull"


def _schema_of(root: str, title: str, body: etree._Element, attributes: dict[str, Value]) -> str:
    for name, value in attributes.items():
        body.append(_attribute(name, value))
    body.append(_any_attribute())
    include = _xs("include", schemaLocation=TYPES_FILE)
    return _written(_xs("schema", _documented(title), include, _xs("element", body, name=root)))


def _written(schema: etree._Element) -> str:
    written = etree.tostring(schema, pretty_print=True, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}'


def _xs(tag: str, *children: etree._Element, **attributes: str) -> etree._Element:
    node = etree.Element(f"{{{NAMESPACE}}}{tag}", attributes, nsmap={"xs": NAMESPACE})
    node.extend(children)
    return node


def _documented(words: str) -> etree._Element:
    documentation = _xs("documentation")
    documentation.text = words
    return _xs("annotation", documentation)


def _told(cls: type[Part]) -> str:
    groups = (f"\nAt least one of {', '.join(group)}." for group in one_of(cls))
    return explanation(cls) + "".join(groups)


def _complex_type(part: type[Part]) -> etree._Element:
    plans = plan_of(part)
    texts = [plan.value for plan in plans if plan.is_text and plan.value is not None]
    made = _xs("complexType", _documented(_told(part)), name=part.__name__)
    holder = made
    if texts:
        holder = _xs("extension", base=type_name(texts[0]))
        made.append(_xs("simpleContent", holder))
    else:
        made.append(_content(part))
    for plan in plans:
        if plan.is_attribute and plan.value is not None:
            holder.append(_attribute(plan.element, plan.value, required=plan.required))
    holder.append(_any_attribute())
    return made


def _content(cls: type[Part]) -> etree._Element:
    plans = [plan for plan in plan_of(cls) if not plan.is_attribute]
    elements = [_element(plan) for plan in plans]
    if any(plan.repeated for plan in plans):
        return _xs("choice", *elements, minOccurs="0", maxOccurs="unbounded")
    for plan, element in zip(plans, elements, strict=True):
        if not plan.required:
            element.set("minOccurs", "0")
    return _xs("all", *elements)


def _element(plan: FieldPlan) -> etree._Element:
    if plan.part is not None:
        return _xs("element", name=plan.element, type=plan.part.__name__)
    assert plan.value is not None
    name = type_name(plan.value)
    return _xs("element", name=plan.element, type=name if plan.required else _or_null(name))


def _attribute(name: str, value: Value, *, required: bool = False) -> etree._Element:
    use = "required" if required else "optional"
    return _xs("attribute", name=name, type=type_name(value), use=use)


def _any_attribute() -> etree._Element:
    return _xs("anyAttribute", processContents="skip")


def _no_value() -> etree._Element:
    options = [_xs("enumeration", value=token) for token in sorted(NULL_TOKENS)]
    return _xs("simpleType", _xs("restriction", *options, base="xs:string"), name=NO_VALUE)


def _restriction(value: Value) -> etree._Element:
    if value.options is not None or value is FLAG:
        words = ["0", "1"] if value.options is None else [str(one.value) for one in value.options]
        allowed = [_xs("enumeration", value=word) for word in words]
        return _xs("restriction", *allowed, base="xs:string")
    if value.size is not None:
        facets = [_xs("minLength", value="1"), _xs("maxLength", value=str(value.size))]
        if value.pattern is not None:
            facets.append(_xs("pattern", value=value.pattern))
        return _xs("restriction", *facets, base="xs:string")
    if value.low is not None:
        limits = [
            _xs("minInclusive", value=str(value.low)),
            _xs("maxInclusive", value=str(value.high)),
        ]
        return _xs("restriction", *limits, base="xs:integer")
    return _xs("restriction", base="xs:dateTime" if value is TIME else "xs:decimal")
