"""Places and maps: x60–x69 (protocol.md#catalogue).

Coordinates in degrees, `Crs` says of which system.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from protocol.fields import (
    Choice,
    Count,
    FreeText,
    Ident,
    Lat,
    Lon,
    Name,
    PhoneNum,
    ReasonCode,
    Seconds,
)
from protocol.message import Message, Part, command, notice, part
from protocol.messages.parts import CoordinateSystem
from protocol.plans import field


class ObjectType(StrEnum):
    """What was located (element `ObjectType` of 160)."""

    CALLER = "Caller"
    STAFF = "Staff"
    VEHICLE = "Vehicle"
    TERMINAL = "Terminal"
    CAMERA = "Camera"


class FenceAction(Choice):
    """Element `Action` of 161."""

    ENTER = 1
    LEAVE = 2


class LocateMode(Choice):
    """Element `Mode` of 260."""

    ONCE = 1
    TRACK = 2
    STOP = 3


@part
class Place(Part):
    """A point of a route."""

    lon: Lon
    lat: Lat


@part
class GisItem(Part):
    """Something found on the map; `distance` in metres."""

    id: Ident
    kind: Name | None = None
    name: Name | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    distance: Count | None = None
    phone_num: PhoneNum | None = None
    camera_id: Ident | None = None


# --- notices ---
@notice(160, zh="定位通知")
class LocationNotice(Message):
    """Where somebody or something is; `accuracy` in metres, `speed` in metres per second."""

    object_type: ObjectType | None = None
    object_id: Ident | None = None
    phone_num: PhoneNum | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    crs: CoordinateSystem | None = None
    accuracy: float | None = None
    speed: float | None = None
    time: datetime | None = None
    source: Name | None = None
    reason: ReasonCode | None = None


@notice(161, zh="电子围栏通知")
class GeofenceNotice(Message):
    """Something crossed a fence."""

    fence_id: Ident | None = None
    object_id: Ident | None = None
    action: FenceAction | None = None
    time: datetime | None = None


@notice(162, zh="GIS查询结果通知")
class GisResultNotice(Message):
    """A page of what was found. Pages count from 1."""

    page: Count | None = None
    pages: Count | None = None
    items: tuple[GisItem, ...] = field(element="Item", default=())


# --- commands ---
@command(260, zh="定位请求")
class Locate(Message):
    """Locate a person, number or terminal once or every `interval` seconds; told by 160."""

    needs_one_of = (("phone_num", "terminal_id", "staff_id"),)

    phone_num: PhoneNum | None = None
    terminal_id: Ident | None = None
    staff_id: Ident | None = None
    mode: LocateMode
    interval: Seconds | None = None


@command(261, zh="标绘")
class MapMark(Message):
    """Draw a geometry (GeoJSON text) on the map."""

    geometry: FreeText
    crs: CoordinateSystem | None = None
    layer_id: Ident | None = None


@command(262, zh="周边查询")
class NearbyQuery(Message):
    """Ask for things of these kinds within `radius` metres of a geometry; answered by 162."""

    geometry: FreeText
    crs: CoordinateSystem | None = None
    radius: Count | None = None
    kinds: tuple[Name, ...] = field(element="Kind", default=())


@command(263, zh="围栏")
class Geofence(Message):
    """Set a fence; without a geometry the fence is taken away. Told by 161."""

    fence_id: Ident
    geometry: FreeText | None = None
    crs: CoordinateSystem | None = None


@command(264, zh="路径")
class Route(Message):
    """Ask for the way from one place to another."""

    start: Place = field(element="From")
    end: Place = field(element="To")
    crs: CoordinateSystem | None = None


@command(265, zh="图层")
class LayerPush(Message):
    """Show a layer, or a geometry as a layer, on the map."""

    layer_id: Ident
    geometry: FreeText | None = None
    crs: CoordinateSystem | None = None


__all__ = [
    "FenceAction",
    "Geofence",
    "GeofenceNotice",
    "GisItem",
    "GisResultNotice",
    "LayerPush",
    "Locate",
    "LocateMode",
    "LocationNotice",
    "MapMark",
    "NearbyQuery",
    "ObjectType",
    "Place",
    "Route",
]
