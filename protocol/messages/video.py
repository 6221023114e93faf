"""Video surveillance: x50–x59 (protocol.md#catalogue)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from protocol.fields import (
    Choice,
    ConferenceId,
    Count,
    Ident,
    Lat,
    Lon,
    Name,
    PeerId,
    ReasonCode,
    Seconds,
    Sha256,
    Url,
)
from protocol.message import Message, command, notice
from protocol.messages.parts import Near
from protocol.plans import field


class VideoSessionAction(Choice):
    """Element `Action` of 150."""

    OPENED = 1
    CLOSED = 2
    FAILED = 3
    SWITCHED = 4


class VideoProtocol(StrEnum):
    """How a stream is fetched (element `Protocol` of 150, 250)."""

    RTSP = "RTSP"
    FLV = "FLV"
    HLS = "HLS"
    WEBRTC = "WebRTC"
    GB28181 = "GB28181"


class VideoStream(StrEnum):
    """Which of a camera's streams: the full or the small one (element `Stream` of 250)."""

    MAIN = "main"
    SUB = "sub"


class CameraStatus(Choice):
    """Element `Status` of 152."""

    ON = 1
    OFF = 2
    FAULT = 3


class VideoFileKind(Choice):
    """Element `Kind` of 153."""

    CLIP = 1
    SNAPSHOT = 2


class PtzAction(StrEnum):
    """What a camera's motors do (element `Action` of 252). `Stop` ends a movement."""

    UP = "Up"
    DOWN = "Down"
    LEFT = "Left"
    RIGHT = "Right"
    LEFT_UP = "LeftUp"
    LEFT_DOWN = "LeftDown"
    RIGHT_UP = "RightUp"
    RIGHT_DOWN = "RightDown"
    ZOOM_IN = "ZoomIn"
    ZOOM_OUT = "ZoomOut"
    FOCUS_NEAR = "FocusNear"
    FOCUS_FAR = "FocusFar"
    IRIS_OPEN = "IrisOpen"
    IRIS_CLOSE = "IrisClose"
    PRESET_SET = "PresetSet"
    PRESET_GOTO = "PresetGoto"
    PRESET_DEL = "PresetDel"
    CRUISE = "Cruise"
    STOP = "Stop"


class CaptureAction(Choice):
    """Element `Action` of 253."""

    SNAPSHOT = 1
    RECORD_START = 2
    RECORD_STOP = 3


# --- notices ---
@notice(150, zh="视频会话通知")
class VideoSessionNotice(Message):
    """A stream can be seen at `url`, or no longer."""

    video_id: Ident | None = None
    camera_id: Ident | None = None
    action: VideoSessionAction | None = None
    url: Url | None = None
    protocol: VideoProtocol | None = None
    reason: ReasonCode | None = None


@notice(151, zh="视频告警通知")
class VideoAlarmNotice(Message):
    """A camera or what watches its picture has raised an alarm."""

    alarm_id: Ident | None = None
    camera_id: Ident | None = None
    alarm_type: Name | None = None
    level: Name | None = None
    time: datetime | None = None
    snapshot_file_id: Ident | None = None
    lon: Lon | None = None
    lat: Lat | None = None


@notice(152, zh="视频设备状态通知")
class VideoDeviceNotice(Message):
    """A camera, where it is and how; `ptz` says that it can be turned."""

    camera_id: Ident | None = None
    name: Name | None = None
    org_id: Ident | None = None
    status: CameraStatus | None = None
    ptz: bool | None = None
    lon: Lon | None = None
    lat: Lat | None = None


@notice(153, zh="录像/抓图完成通知")
class VideoFileNotice(Message):
    """A clip or a picture is ready as a file, or could not be made."""

    video_id: Ident | None = None
    camera_id: Ident | None = None
    file_id: Ident | None = None
    kind: VideoFileKind | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    sha256: Sha256 | None = None
    reason: ReasonCode | None = None


# --- commands ---
@command(250, zh="打开视频")
class OpenVideo(Message):
    """Open a camera's stream, on request at a screen; told by 150."""

    camera_id: Ident
    protocol: VideoProtocol | None = None
    stream: VideoStream | None = None
    screen_id: PeerId | None = None


@command(251, zh="关闭视频")
class CloseVideo(Message):
    """Close a stream."""

    needs_one_of = (("video_id", "camera_id"),)

    video_id: Ident | None = None
    camera_id: Ident | None = None
    screen_id: PeerId | None = None


@command(252, zh="云台控制")
class PtzControl(Message):
    """Turn, zoom or focus a camera for `seconds`, or until `Stop`.

    `preset` is a stored position.
    """

    camera_id: Ident
    action: PtzAction
    speed: Count | None = None
    preset: Count | None = None
    seconds: Seconds | None = None


@command(253, zh="抓图录像")
class CaptureVideo(Message):
    """Take a picture or record a clip; told by 153."""

    camera_id: Ident
    action: CaptureAction


@command(254, zh="录像回放")
class PlaybackVideo(Message):
    """Play what was recorded; `speed` is a factor (0.5, 2), `seek` a time to jump to."""

    camera_id: Ident
    start_time: datetime | None = None
    end_time: datetime | None = None
    speed: float | None = None
    seek: datetime | None = None


@command(255, zh="设备查询")
class QueryCamera(Message):
    """Ask for cameras of a unit or near a place; answered by 152."""

    org_id: Ident | None = None
    near: Near | None = None


@command(256, zh="上墙")
class VideoWall(Message):
    """Show a camera in a pane of a wall; without a camera the pane is cleared."""

    screen_id: PeerId
    pane: Ident | None = None
    camera_id: Ident | None = None


@command(257, zh="入会")
class VideoToConference(Message):
    """Bring a camera's stream into a conference."""

    conference_id: ConferenceId = field(element="ConferenceID")
    camera_id: Ident


@command(258, zh="告警订阅")
class SubscribeAlarm(Message):
    """Ask for alarms of these types, of a camera or a unit; none named: of all."""

    alarm_types: tuple[Name, ...] = field(element="AlarmType", default=())
    camera_id: Ident | None = None
    org_id: Ident | None = None


@command(259, zh="语音对讲")
class TalkBack(Message):
    """Speak through a camera's loudspeaker."""

    camera_id: Ident


__all__ = [
    "CameraStatus",
    "CaptureAction",
    "CaptureVideo",
    "CloseVideo",
    "OpenVideo",
    "PlaybackVideo",
    "PtzAction",
    "PtzControl",
    "QueryCamera",
    "SubscribeAlarm",
    "TalkBack",
    "VideoAlarmNotice",
    "VideoDeviceNotice",
    "VideoFileKind",
    "VideoFileNotice",
    "VideoProtocol",
    "VideoSessionAction",
    "VideoSessionNotice",
    "VideoStream",
    "VideoToConference",
    "VideoWall",
]
