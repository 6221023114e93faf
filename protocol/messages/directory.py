"""Address book, dispatchers, terminals: x70–x79 (protocol.md#catalogue)."""

from __future__ import annotations

from protocol.fields import (
    Choice,
    Count,
    Ident,
    LoginId,
    MailAddress,
    Name,
    PhoneNum,
)
from protocol.message import Message, Part, command, notice, part
from protocol.messages.parts import DirectoryKind, Phone
from protocol.plans import field


class DirectoryAction(Choice):
    """Element `Action` of 170."""

    ADD = 1
    UPDATE = 2
    DELETE = 3


class AgentState(Choice):
    """Element `State` of 172."""

    LOGIN = 1
    READY = 2
    BUSY = 3
    RINGING = 4
    TALKING = 5
    WRAP_UP = 6
    AWAY = 7
    LOGOUT = 8
    FORCED = 9


class AgentAction(Choice):
    """Element `Action` of 273."""

    LOGIN = 1
    LOGOUT = 2
    READY = 3
    NOT_READY = 4
    WRAP_UP = 5
    FORCE_READY = 6
    FORCE_BUSY = 7
    FORCE_LOGOUT = 8


class TerminalState(Choice):
    """Element `State` of 173."""

    REGISTERED = 1
    IDLE = 2
    RINGING = 3
    BUSY = 4
    OFFLINE = 5
    DND = 6


@part
class DirectoryOrg(Part):
    """A unit of the organisation; `parent_org_id` None is the root."""

    org_id: Ident = field(attribute=True)
    org_name: Name | None = field(attribute=True, default=None)
    parent_org_id: Ident | None = None


@part
class DirectoryGroup(Part):
    """People who are called together; `staff_ids` in the order in which to call them."""

    group_id: Ident = field(attribute=True)
    group_name: Name | None = field(attribute=True, default=None)
    org_id: Ident | None = None
    staff_ids: tuple[Ident, ...] = field(element="StaffId", default=())


@part
class DirectoryStaff(Part):
    """A person with numbers in the order in which to try them, named by attributes as in 210."""

    staff_id: Ident = field(attribute=True, aliases=("Id", "Value"))
    staff_name: Name | None = field(attribute=True, default=None)
    org_id: Ident | None = None
    title: Name | None = None
    duty: Name | None = None
    phone_nums: tuple[Phone, ...] = field(element="PhoneNum", default=())
    email: MailAddress | None = None
    fax: PhoneNum | None = None
    camera_id: Ident | None = None
    terminal_id: Ident | None = None


@part
class DirectoryItem(Part):
    """One entry that changed: whole, or of a deleted one its id."""

    needs_one_of = (("id", "org", "group", "staff"),)

    id: Ident | None = field(attribute=True, default=None)
    org: DirectoryOrg | None = None
    group: DirectoryGroup | None = None
    staff: DirectoryStaff | None = None


# --- notices -------------------------------------------------------------------------------------
@notice(170, zh="通信录变更通知")
class DirectoryChangeNotice(Message):
    """Entries were added, changed or deleted; the directory is at `version` now."""

    action: DirectoryAction | None = None
    kind: DirectoryKind | None = None
    items: tuple[DirectoryItem, ...] = field(element="Item", default=())
    version: Count | None = None


@notice(171, zh="通信录数据通知")
class DirectoryDataNotice(Message):
    """A page of the directory at `version`: the answer to 270. Pages count from 1."""

    version: Count | None = None
    page: Count | None = None
    pages: Count | None = None
    orgs: tuple[DirectoryOrg, ...] = field(element="Org", default=())
    groups: tuple[DirectoryGroup, ...] = field(element="Group", default=())
    staff: tuple[DirectoryStaff, ...] = field(element="Staff", default=())


@notice(172, zh="调度员状态通知")
class AgentStateNotice(Message):
    """A dispatcher's state changed. `reason_code` is the house's own (why away)."""

    ext: PhoneNum | None = None
    state: AgentState | None = None
    reason_code: Ident | None = None
    by_login_id: LoginId | None = None


@notice(173, zh="终端状态通知")
class TerminalStateNotice(Message):
    """A terminal's state changed."""

    terminal_id: Ident | None = None
    ext: PhoneNum | None = None
    state: TerminalState | None = None
    kind: Name | None = None


# --- commands ------------------------------------------------------------------------------------
@command(270, zh="通信录同步")
class DirectorySync(Message):
    """Ask for what changed since a version; 0 asks for everything. Answered by 171."""

    since_version: Count
    kind: DirectoryKind | None = None
    org_id: Ident | None = None


@command(271, zh="通信录新增修改")
class DirectoryUpsert(Message):
    """Add entries or replace those that have the same id."""

    kind: DirectoryKind | None = None
    items: tuple[DirectoryItem, ...] = field(element="Item")


@command(272, zh="通信录删除")
class DirectoryDelete(Message):
    """Delete entries of one kind."""

    kind: DirectoryKind
    ids: tuple[Ident, ...] = field(element="Ids", aliases=("Id",))


@command(273, zh="坐席控制")
class AgentControl(Message):
    """Log a dispatcher in or out, or set a state. `reason_code` is the house's own (why away)."""

    login_id: LoginId
    action: AgentAction
    ext: PhoneNum | None = None
    reason_code: Ident | None = None


@command(274, zh="查询调度员")
class QueryAgent(Message):
    """Ask for the state of dispatchers: of those named, of a unit, or of all. Answered by 172."""

    login_id: None = None
    login_ids: tuple[LoginId, ...] = field(element="LoginId", default=())
    org_id: Ident | None = None


@command(275, zh="查询终端")
class QueryTerminal(Message):
    """Ask for the state of terminals: of those named, of a unit, or of all. Answered by 173."""

    terminal_ids: tuple[Ident, ...] = field(element="TerminalId", default=())
    exts: tuple[PhoneNum, ...] = field(element="Ext", default=())
    org_id: Ident | None = None


__all__ = [
    "AgentAction",
    "AgentControl",
    "AgentState",
    "AgentStateNotice",
    "DirectoryAction",
    "DirectoryChangeNotice",
    "DirectoryDataNotice",
    "DirectoryDelete",
    "DirectoryGroup",
    "DirectoryItem",
    "DirectoryOrg",
    "DirectoryStaff",
    "DirectorySync",
    "DirectoryUpsert",
    "QueryAgent",
    "QueryTerminal",
    "TerminalState",
    "TerminalStateNotice",
]
