"""Reason codes: the element `Reason` (protocol.md#reasons), and how Q.850 and SIP map to them.

No `Reason` (`NULL`) means success. Codes from 200 say what went wrong with an SMS, fax, mail,
video, place or recording; 900–999 are private.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """Why a call, a leg or a message ended or failed."""

    NORMAL = 100
    BUSY = 101
    NO_ANSWER = 102
    REJECTED = 103
    UNREACHABLE = 104
    UNALLOCATED = 105
    INVALID_FORMAT = 106
    NUMBER_CHANGED = 107
    BARRED = 108
    DND = 109
    CALLER_CANCELLED = 110
    ANSWERED_ELSEWHERE = 111
    NOT_CONFIRMED = 112
    DROPPED_AT_ONCE = 113
    CALLED_BACK = 114
    CONGESTION = 120
    NO_TRUNK = 121
    NETWORK_FAILURE = 122
    CALL_FAILED = 123
    MEDIA_FAILURE = 124
    SETUP_TIMEOUT = 125
    PLATFORM_FAULT = 126
    KICKED = 130
    FORCE_RELEASED = 131
    INTERCEPTED = 132
    PREEMPTED = 133
    TRANSFERRED = 134
    CONFERENCE_ENDED = 135
    CONFERENCE_CLOSED = 136
    OPERATOR_CANCELLED = 137
    SKIPPED = 138
    EVENT_CLOSED = 139
    ANSWERING_MACHINE = 140
    STATE_LOST = 141
    DUPLICATE_NUMBER = 142
    CONFIRMED_ELSEWHERE = 143
    OUTCOME_UNKNOWN = 144
    SMS_REJECTED = 200
    SMS_BAD_NUMBER = 201
    SMS_EXPIRED = 202
    SMS_UNDELIVERABLE = 203
    SMS_BLACKLIST = 204
    SMS_FLOW_CONTROL = 205
    SMS_CONTENT_BLOCKED = 206
    SMS_TEMPLATE = 207
    SMS_LINK_DOWN = 208
    FAX_NO_CARRIER = 220
    FAX_TRAINING = 221
    FAX_DISCONNECTED = 222
    FAX_BAD_FILE = 223
    FAX_BUSY = 224
    MAIL_REFUSED = 240
    MAIL_UNKNOWN = 241
    MAIL_FULL = 242
    MAIL_TOO_LARGE = 243
    MAIL_SPAM = 244
    MAIL_AUTH = 245
    VIDEO_OFFLINE = 250
    VIDEO_AUTH = 251
    VIDEO_NO_STREAM = 252
    VIDEO_PTZ_BUSY = 253
    VIDEO_LICENCE = 254
    VIDEO_STORAGE = 255
    GIS_NO_FIX = 260
    GIS_REFUSED = 261
    GIS_STALE = 262
    GIS_NO_LAYER = 263
    RECORDING_DISK = 300
    RECORDING_NO_MEDIA = 301
    RECORDING_FORBIDDEN = 302
    RECORDING_UPLOAD = 303


REASON_TEXT: Final[dict[int, tuple[str, str]]] = {
    100: ("normal clearing", "正常结束"),
    101: ("busy", "用户忙"),
    102: ("no answer", "无应答"),
    103: ("rejected", "拒接"),
    104: ("off or unreachable", "关机或不在服务区"),
    105: ("unallocated number", "空号"),
    106: ("invalid number format", "号码格式错"),
    107: ("number changed", "改号"),
    108: ("barred", "受限"),
    109: ("do not disturb", "免打扰"),
    110: ("caller cancelled", "主叫取消"),
    111: ("answered elsewhere", "他处应答"),
    112: ("answered, not confirmed", "应答未确认"),
    113: ("dropped in the second it began", "即呼即断"),
    114: ("confirmed by calling back", "回拨确认"),
    120: ("congestion", "线路拥塞"),
    121: ("no trunk", "无中继"),
    122: ("network failure", "网络故障"),
    123: ("call failed", "呼叫失败"),
    124: ("media or codec failure", "媒体失败"),
    125: ("setup timeout", "呼叫超时"),
    126: ("platform fault", "平台故障"),
    130: ("kicked", "被请出"),
    131: ("force-released", "强拆"),
    132: ("intercepted", "被拦截"),
    133: ("pre-empted", "高优先级抢占"),
    134: ("transferred", "已转接"),
    135: ("conference ended", "会议结束"),
    136: ("conference full or locked", "会议满或锁定"),
    137: ("operator cancelled", "操作员取消"),
    138: ("skipped, an earlier candidate answered", "已有人应答未呼"),
    139: ("event closed", "事件已结束"),
    140: ("answering machine", "语音信箱"),
    141: ("state lost, unknown after resync", "状态丢失"),
    142: ("same number called once already", "重复号码未呼"),
    143: ("confirmed elsewhere while queued", "已在他处确认未呼"),
    144: ("outcome unknown", "结果不明"),
    200: ("SMS rejected", "短信被拒"),
    201: ("bad number", "短信号码错误"),
    202: ("SMS expired", "短信过期"),
    203: ("SMS undeliverable", "短信无法送达"),
    204: ("on the blacklist", "短信黑名单"),
    205: ("flow control", "短信流量控制"),
    206: ("content blocked", "短信内容被拦截"),
    207: ("template not accepted", "短信模板错误"),
    208: ("SMS link down", "短信链路中断"),
    220: ("no fax carrier", "无传真载波"),
    221: ("fax training failed", "传真训练失败"),
    222: ("remote side disconnected within a page", "传真页中断开"),
    223: ("bad fax file", "传真文件错误"),
    224: ("busy after retries", "多次重拨仍忙"),
    240: ("mail refused", "邮件被拒"),
    241: ("mailbox unknown", "邮箱不存在"),
    242: ("mailbox full", "邮箱已满"),
    243: ("mail too large", "邮件过大"),
    244: ("taken for spam", "判为垃圾邮件"),
    245: ("TLS or authentication failed", "邮件加密或认证失败"),
    250: ("camera offline", "设备离线"),
    251: ("camera authentication failed", "设备认证失败"),
    252: ("no video stream", "无视频流"),
    253: ("camera control busy", "云台被占用"),
    254: ("video licence exhausted", "视频许可不足"),
    255: ("video storage failed", "视频存储失败"),
    260: ("no position fix", "无法定位"),
    261: ("location refused", "定位被拒"),
    262: ("position is stale", "位置已过时"),
    263: ("map layer missing", "图层不存在"),
    300: ("recording disk failed or full", "录音磁盘故障或已满"),
    301: ("no media to record", "无媒体可录"),
    302: ("recording not permitted", "不允许录音"),
    303: ("recording upload failed", "录音上传失败"),
}
"""Code → (English, 中文)."""

Q850_REASONS: Final[dict[int, Reason]] = {
    1: Reason.UNALLOCATED,
    2: Reason.UNALLOCATED,  # no route to the transit network: the number leads nowhere
    3: Reason.UNALLOCATED,  # no route to destination: the same
    8: Reason.PREEMPTED,
    9: Reason.PREEMPTED,
    16: Reason.NORMAL,
    17: Reason.BUSY,
    18: Reason.UNREACHABLE,  # no user responding: the terminal itself did not answer the set-up
    19: Reason.NO_ANSWER,  # user alerting, no answer: it rang
    20: Reason.UNREACHABLE,
    21: Reason.REJECTED,
    22: Reason.NUMBER_CHANGED,
    26: Reason.ANSWERED_ELSEWHERE,
    27: Reason.UNREACHABLE,  # destination out of order
    28: Reason.INVALID_FORMAT,
    31: Reason.CALL_FAILED,
    # 34 stands beside both 120 and 121 in the table. "No circuit/channel available" is also what a
    # SIP gateway makes of a 503; congestion claims less than "no trunk" does. An adapter that
    # knows its trunks may say 121 by itself.
    34: Reason.CONGESTION,
    38: Reason.NETWORK_FAILURE,
    41: Reason.PLATFORM_FAULT,
    42: Reason.CONGESTION,
    44: Reason.CONGESTION,  # requested circuit not available
    50: Reason.BARRED,
    52: Reason.BARRED,  # outgoing calls barred
    54: Reason.BARRED,  # incoming calls barred
    55: Reason.BARRED,
    57: Reason.BARRED,
    58: Reason.MEDIA_FAILURE,  # bearer capability not available
    65: Reason.MEDIA_FAILURE,
    79: Reason.MEDIA_FAILURE,
    88: Reason.MEDIA_FAILURE,  # incompatible destination
    102: Reason.SETUP_TIMEOUT,
}

SIP_REASONS: Final[dict[int, Reason]] = {
    301: Reason.NUMBER_CHANGED,
    403: Reason.BARRED,
    404: Reason.UNALLOCATED,
    # 408 and 480 stand in more than one row. 408 (no final answer in time) is what a phone that
    # rang out gives, 480 (temporarily unavailable) what a registrar gives for an absent phone.
    408: Reason.NO_ANSWER,
    410: Reason.NUMBER_CHANGED,
    415: Reason.MEDIA_FAILURE,
    420: Reason.CALL_FAILED,  # an extension of SIP is not understood: nothing about the number
    433: Reason.REJECTED,  # the callee takes no anonymous calls (RFC 5079)
    480: Reason.UNREACHABLE,
    482: Reason.NETWORK_FAILURE,  # a loop on the way
    483: Reason.NETWORK_FAILURE,  # too many hops: a loop as well
    484: Reason.INVALID_FORMAT,
    486: Reason.BUSY,
    487: Reason.CALLER_CANCELLED,
    488: Reason.MEDIA_FAILURE,
    500: Reason.PLATFORM_FAULT,
    503: Reason.CONGESTION,
    600: Reason.BUSY,
    603: Reason.REJECTED,
    604: Reason.UNALLOCATED,  # does not exist anywhere
    606: Reason.MEDIA_FAILURE,  # not acceptable anywhere
    607: Reason.REJECTED,  # unwanted (RFC 8197): the callee's own list
    608: Reason.REJECTED,  # rejected by an analysis on the way (RFC 8688)
}

SIP_SUCCESS: Final = range(200, 300)
SIP_SERVER_FAILURE: Final = range(500, 600)


def reason_from_q850(cause: int) -> Reason:
    """The reason for a Q.850 cause value; 127 (interworking) and what the table lacks are 123.

    Where the reasons have one cause in two rows, the comments in the table above say what was
    chosen and why.
    """
    return Q850_REASONS.get(cause, Reason.CALL_FAILED)


def reason_from_sip(status: int) -> Reason:
    """The reason for a call's final SIP status: a 2xx ended normally, an unlisted 5xx is 122."""
    if status in SIP_SUCCESS:
        return Reason.NORMAL
    default = Reason.NETWORK_FAILURE if status in SIP_SERVER_FAILURE else Reason.CALL_FAILED
    return SIP_REASONS.get(status, default)


def reason_text(code: int) -> str:
    """One line for a person: English and Chinese; private codes say so."""
    english, chinese = REASON_TEXT.get(code, ("private code", "私有代码"))
    return f"{english} {chinese}"
