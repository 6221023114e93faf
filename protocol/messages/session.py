"""Sessions, capabilities, snapshots, gaps, alarms: x90–x99, and the log-in of screens (PROTOCOL.md sections 4 and 6)."""

from __future__ import annotations

from datetime import datetime

from protocol.fields import Count, Ident, Name, PeerId
from protocol.message import Message, command, notice, screen


@notice(190, zh="通信平台注册认证")
class PlatformRegister(Message):
    """A platform's first message (section 4)."""

    platform_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Ident
    digest: Ident
    last_seq: Count | None = None
    vendor: Name | None = None


@command(290, zh="应用系统认证注册")
class AppRegister(Message):
    """An application's first message (section 4)."""

    app_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Ident
    digest: Ident
    last_seq: Count | None = None


@screen(490, zh="登录")
class ScreenLogin(Message):
    """A communication screen's first message (section 4)."""

    screen_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Ident
    digest: Ident
    last_seq: Count | None = None


@screen(690, zh="登录")
class BizScreenLogin(Message):
    """A business screen's first message (section 4)."""

    screen_id: PeerId
    proto_ver: Count
    time: datetime
    nonce: Ident
    digest: Ident
    last_seq: Count | None = None
