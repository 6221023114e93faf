"""Result codes: the attribute `Result` of a response (protocol.md#results)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Result(IntEnum):
    """What became of a request. 0–9 accepted; everything else refused.

    Private codes are 900–999.
    """

    OK = 0
    ACCEPTED = 1
    DUPLICATE = 2
    BAD_FRAME = 100
    UNKNOWN_TYPE = 101
    MISSING_FIELD = 102
    BAD_VALUE = 103
    TOO_LONG = 104
    VERSION_NOT_SUPPORTED = 105
    WRONG_DIRECTION = 106
    SEQ_GAP = 107
    NOT_REGISTERED = 200
    BAD_CREDENTIALS = 201
    FORBIDDEN = 202
    OTHER_TENANT = 203
    SESSION_EXPIRED = 204
    REPLACED = 205
    RATE_LIMITED = 206
    QUOTA = 207
    NO_EVENT = 300
    NO_CALL = 301
    NO_CONFERENCE = 302
    NO_LOGIN = 303
    NO_DEVICE = 304
    NO_FILE = 305
    WRONG_STATE = 306
    ALREADY_EXISTS = 307
    EVENT_CLOSED = 308
    EXPIRED = 309
    CLAIMED = 310
    NOT_A_MEMBER = 311
    EVENT_MERGED = 312
    NO_TRUNK = 400
    CONFERENCE_FULL = 401
    CONFERENCE_LOCKED = 402
    STORAGE_FULL = 403
    OVERLOAD = 404
    BARRED = 405
    LOWER_PRIORITY = 406
    INTERNAL = 500
    NOT_SUPPORTED = 501
    UNREACHABLE = 502
    TIMEOUT = 503
    SWITCHING_OVER = 504
    PARTIAL = 505
    VENDOR = 506


RESULT_TEXT: Final[dict[int, tuple[str, str]]] = {
    0: ("OK", "成功"),
    1: ("accepted, the outcome follows", "已受理，结果随后通知"),
    2: ("OK, already done", "成功，已执行过"),
    100: ("bad XML or frame", "报文或帧格式错误"),
    101: ("unknown message type", "未知消息类型"),
    102: ("missing field", "缺少字段"),
    103: ("bad value", "字段值错误"),
    104: ("too long, or a fragment is missing", "报文过长或分片缺失"),
    105: ("protocol version not supported", "协议版本不支持"),
    106: ("wrong direction", "消息方向错误"),
    107: ("sequence gap seen", "发现序号缺口"),
    200: ("not registered", "未注册"),
    201: ("bad credentials", "认证失败"),
    202: ("forbidden", "无权限"),
    203: ("belongs to another application", "属于其他应用"),
    204: ("session expired", "会话过期"),
    205: ("replaced by a newer session", "已被新会话取代"),
    206: ("rate limited", "超出速率限制"),
    207: ("licence or quota exhausted", "许可或配额不足"),
    300: ("no such EventId", "事件不存在"),
    301: ("no such CallId", "呼叫不存在"),
    302: ("no such ConferenceID", "会议不存在"),
    303: ("no such LoginId or agent", "调度员不存在"),
    304: ("no such device or camera", "设备不存在"),
    305: ("no such file or record", "文件或录音不存在"),
    306: ("wrong state", "状态不允许"),
    307: ("already exists", "已存在"),
    308: ("event is closed", "事件已结束"),
    309: ("command expired", "命令已过期"),
    310: ("claimed by another", "已被他人接管"),
    311: ("member not in the conference", "成员不在会议中"),
    312: ("merged into another event", "事件已合并"),
    400: ("no trunk or channel", "无可用中继或通道"),
    401: ("conference is full", "会议已满"),
    402: ("conference is locked", "会议已锁定"),
    403: ("storage is full", "存储已满"),
    404: ("overload", "系统过载"),
    405: ("destination barred", "目的号码受限"),
    406: ("lower priority", "优先级不足"),
    500: ("internal error", "内部错误"),
    501: ("not supported by this platform", "平台不支持"),
    502: ("platform unreachable", "平台不可达"),
    503: ("platform timed out, outcome unknown", "平台超时，结果未知"),
    504: ("standby, switching over", "主备切换中"),
    505: ("partial success", "部分成功"),
    506: ("vendor error", "厂商错误"),
}
"""Code → (English, 中文)."""

FIRST_REFUSAL: Final = 10
"""Results below this number mean that the request was taken."""


def is_accepted(result: int) -> bool:
    """True for the results 0–9: the request was taken."""
    return result < FIRST_REFUSAL


def result_text(result: int) -> str:
    """One line for a person: English and Chinese; private codes say so."""
    english, chinese = RESULT_TEXT.get(result, ("private code", "私有代码"))
    return f"{english} {chinese}"
