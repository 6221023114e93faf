"""Sessions, capabilities, gaps, alarms.

Block x90–x99 without the snapshot, and the log-in of screens (protocol.md#registration).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from protocol.fields import (
    Boot,
    Choice,
    Count,
    EventId,
    FreeText,
    Ident,
    Line,
    LoginId,
    Name,
    Nonce,
    PeerId,
    PhoneNum,
    Seconds,
)
from protocol.message import Message, Part, command, notice, part, screen
from protocol.messages.parts import Capability
from protocol.plans import field


class LinkState(StrEnum):
    """Element `State` of a `Link` in 191."""

    UP = "up"
    DOWN = "down"
    DEGRADED = "degraded"


class GapCause(Choice):
    """Element `Cause` of 195."""

    OVERFLOW = 1
    RESTART = 2
    VENDOR_DISCONNECT = 3


class AlarmAction(Choice):
    """Element `Action` of 197."""

    RAISE = 1
    CLEAR = 2


class SubscribeAction(Choice):
    """Element `Action` of 291."""

    SUBSCRIBE = 1
    UNSUBSCRIBE = 2


class AppRole(StrEnum):
    """What an application registers as (element `Role` of 290)."""

    BUSINESS = "business"
    MONITOR = "monitor"


@part
class PlatformLink(Part):
    """A link of a platform to something of its own (a trunk, a gateway, a database)."""

    id: Ident
    kind: Name | None = None
    state: LinkState


@part
class Mask(Part):
    """Which messages are wanted.

    `no` is a number, `1xx` for all of a direction, and an event where only one's count.
    """

    no: Ident = field(attribute=True)
    event_id: EventId | None = field(attribute=True, default=None)


@part
class Filter(Part):
    """What else narrows a subscription; `phone_num` is a prefix."""

    event_id: EventId | None = None
    org_id: Ident | None = None
    login_id: LoginId | None = None
    phone_num: PhoneNum | None = None


# --- notices -------------------------------------------------------------------------------------
@notice(190, zh="通信平台注册认证")
class PlatformRegister(Message):
    """A platform's first message. `digest` as protocol.md#digest says, in lower-case hex."""

    platform_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Nonce
    digest: Ident
    last_seq: Count | None = None
    boot: Boot | None = None
    vendor: Name | None = None
    product: Name | None = None
    version: Name | None = None
    capabilities: tuple[Capability, ...] = field(element="Capability", default=())


@notice(191, zh="通信平台状态通知")
class PlatformStatusNotice(Message):
    """How a platform is: its links, its load in per cent, its free trunks."""

    links: tuple[PlatformLink, ...] = field(element="Link", default=())
    load: Count | None = None
    trunks: Count | None = None
    reason: Line | None = None


@notice(192, zh="能力通知")
class CapabilityNotice(Message):
    """What a platform can do: the answer to 292."""

    platform_id: PeerId | None = None
    capabilities: tuple[Capability, ...] = field(element="Capability", default=())


@notice(194, zh="补发结束通知")
class ReplayEndNotice(Message):
    """The originals that 294 asked for have all been sent again."""

    from_seq: Count | None = None
    to_seq: Count | None = None
    count: Count | None = None


@notice(195, zh="消息缺口通知")
class GapNotice(Message):
    """Notices may be missing: of these positions or of this time, and why (protocol.md#resuming).

    293 fetches what lives now.
    """

    from_seq: Count | None = None
    to_seq: Count | None = None
    cause: GapCause | None = None
    since: datetime | None = None
    until: datetime | None = None


@notice(196, zh="对时通知")
class TimeNotice(Message):
    """The platform's clock; `offset` in seconds, positive where it is ahead of ours."""

    time: datetime | None = None
    offset: float | None = None


@notice(197, zh="运行告警通知")
class AlarmNotice(Message):
    """Something needs a person."""

    alarm_id: Ident | None = None
    level: Name | None = None
    source: Name | None = None
    text: FreeText | None = None
    action: AlarmAction | None = None


@notice(198, zh="厂商透传通知")
class VendorNotice(Message):
    """A vendor's own notice, passed through as it is."""

    vendor: Name | None = None
    name: Name | None = None
    body: FreeText | None = None


@notice(199, zh="通信平台注销通知")
class PlatformLeave(Message):
    """The sender ends the session, and may be back in `restart_in` seconds.

    `reason` in words ("replaced").
    """

    reason: Line | None = None
    restart_in: Seconds | None = None


# --- commands ------------------------------------------------------------------------------------
@command(290, zh="应用系统认证注册")
class AppRegister(Message):
    """An application's first message, with what it wants to be sent. `digest` as of 190."""

    app_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Nonce
    digest: Ident
    last_seq: Count | None = None
    boot: Boot | None = None
    app_name: Name | None = None
    version: Name | None = None
    subscribes: tuple[Mask, ...] = field(element="Subscribe", default=())
    role: AppRole | None = None


@command(291, zh="订阅/退订")
class Subscribe(Message):
    """Follow events of other applications, as far as the configuration lets, or no more.

    `numbers` are types (`110`, `1xx`), none: all; `expire` in seconds, none: until unsubscribed.
    """

    action: SubscribeAction
    numbers: tuple[Ident, ...] = field(element="No", default=())
    filter: Filter | None = None
    expire: Seconds | None = None


@command(292, zh="能力查询")
class QueryCapability(Message):
    """Ask what a platform, or every platform, can do; answered by 192."""

    platform_id: PeerId | None = None


@command(294, zh="补发请求")
class ReplayRequest(Message):
    """Ask for notices again, by position; they come with Resend="1", then 194."""

    from_seq: Count
    to_seq: Count | None = None
    numbers: tuple[Ident, ...] = field(element="No", default=())


@command(295, zh="换密钥")
class RotateKey(Message):
    """Begin the sender's next secret, which nobody sends (protocol.md#rotation).

    `key_id` is 8–64 random characters; `digest` proves that the sender has made the secret.
    """

    key_id: Ident
    digest: Ident


@command(296, zh="对时")
class TimeSync(Message):
    """The sender's clock; answered by 196."""

    time: datetime


@command(297, zh="诊断")
class Diagnose(Message):
    """Ask how the receiver is; `echo_text` comes back in the answer's detail."""

    level: Count | None = None
    echo_text: Line | None = None


@command(298, zh="厂商透传")
class VendorRequest(Message):
    """A vendor's own command, passed through as it is."""

    vendor: Name
    name: Name
    body: FreeText | None = None


@command(299, zh="注销")
class AppLeave(Message):
    """The sender ends the session. `reason` in words ("replaced")."""

    reason: Line | None = None


# --- screens -------------------------------------------------------------------------------------
@screen(490, zh="登录")
class ScreenLogin(Message):
    """A communication screen's first message.

    `digest` as of 190; `ext` is the telephone beside the screen.
    """

    screen_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Nonce
    digest: Ident
    last_seq: Count | None = None
    boot: Boot | None = None
    ext: PhoneNum | None = None


@screen(690, zh="登录")
class BizScreenLogin(Message):
    """A business screen's first message, as 490."""

    screen_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Nonce
    digest: Ident
    last_seq: Count | None = None
    boot: Boot | None = None
    ext: PhoneNum | None = None


@screen(390, zh="登录结果")
class ScreenLoginResult(Message):
    """What a communication screen may do after its log-in.

    `rights` as words, `layout` as the screen understands it.
    """

    screen_id: PeerId | None = None
    token: Line | None = None
    rights: Line | None = None
    layout: FreeText | None = None


@screen(590, zh="登录结果")
class BizLoginResult(Message):
    """What a business screen may do after its log-in, as 390."""

    screen_id: PeerId | None = None
    token: Line | None = None
    rights: Line | None = None
    layout: FreeText | None = None


@screen(499, zh="退出")
class ScreenLogout(Message):
    """A communication screen goes."""

    screen_id: PeerId | None = None
    reason: Line | None = None


@screen(699, zh="退出")
class BizScreenLogout(Message):
    """A business screen goes."""

    screen_id: PeerId | None = None
    reason: Line | None = None


__all__ = [
    "AlarmAction",
    "AlarmNotice",
    "AppLeave",
    "AppRegister",
    "AppRole",
    "BizLoginResult",
    "BizScreenLogin",
    "BizScreenLogout",
    "CapabilityNotice",
    "Diagnose",
    "Filter",
    "GapCause",
    "GapNotice",
    "LinkState",
    "Mask",
    "PlatformLeave",
    "PlatformLink",
    "PlatformRegister",
    "PlatformStatusNotice",
    "QueryCapability",
    "ReplayEndNotice",
    "ReplayRequest",
    "RotateKey",
    "ScreenLogin",
    "ScreenLoginResult",
    "ScreenLogout",
    "Subscribe",
    "SubscribeAction",
    "TimeNotice",
    "TimeSync",
    "VendorNotice",
    "VendorRequest",
]
