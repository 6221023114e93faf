"""What jobs work with in the open transaction, put together once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linkage.config.core import SweepSettings
from linkage.core.alarms import Alarms
from linkage.core.clock_steps import ClockSteps
from linkage.core.delivery.gaps import Gaps
from linkage.core.delivery.queue_reader import QueueReader
from linkage.core.delivery.resuming import Resumer
from linkage.core.liveness.audit import LivenessAudit
from linkage.core.notifier import Notifier
from linkage.core.own_notices import OwnNotices
from linkage.core.peers import Peers
from linkage.core.requests.incoming import Incoming
from linkage.core.requests.repetition import Repetitions
from linkage.core.requests.request_journal import RequestJournal
from linkage.core.scope import Now, Scope
from linkage.core.subscriptions import Subscriptions
from linkage.core.traces import Traces
from linkage.ports import StoredFile
from linkage.ports.file_links import LinksPort
from linkage.ports.store import StorePort
from linkage.tracing.context import Conversations


class Context:
    """Belongs to the core's thread.

    Args:
        tx: the store, as the one who writes it.
        peers: who is configured.
        command_expire_s: when a command expires that does not say so itself.
        liveness: when an open operation is in doubt; None: never.
        conversations: of the traces that linkage begins; None: it begins none.
        free_bytes: what the store may still grow by; None: not known.
        find_file: what linkage keeps under a FileId (`linkage.files`).
        links: makes links to these; None: they are not served.
    """

    def __init__(
        self,
        tx: StorePort,
        peers: Peers,
        command_expire_s: int,
        *,
        liveness: SweepSettings | None = None,
        conversations: Conversations | None = None,
        free_bytes: Callable[[], int | None] = lambda: None,
        find_file: Callable[[str], StoredFile | None] = lambda _: None,
        links: LinksPort | None = None,
    ) -> None:
        self.tx = tx
        self.peers = peers
        self.command_expire_s = command_expire_s
        self.free_bytes = free_bytes
        self.find_file = find_file
        self.links = links
        self.scope = Scope(tx, peers)
        self.traces = Traces(tx, conversations)
        self.subscriptions = Subscriptions(self.scope)
        self.notifier = Notifier(self.scope, self.traces, self.subscriptions)
        self.own_notices = OwnNotices(self.scope, self.notifier)
        self.gaps = Gaps(self.scope, self.notifier)
        self.alarms = Alarms(self.scope, self.notifier)
        self.requests = RequestJournal(self.scope, self.notifier, self.alarms, Repetitions(tx))
        self.liveness = LivenessAudit(self.scope, self.notifier, self.alarms, liveness)
        self.resumer = Resumer(tx)
        self.queue_reader = QueueReader(self.scope, self.traces, self.own_notices, self.gaps)
        self.clock_steps = ClockSteps(tx, peers.own_id)
        self.first_seq = 0
        """Journal rows before it are of earlier processes; 0: not known yet."""
        self.disk_free: int | None = None
        """Bytes that the store may still grow by, as of the last sweep. Read by other threads."""

    def begin_batch(self, batch: Sequence[Incoming], now: Now) -> None:
        """A transaction was opened for jobs with these requests of peers."""
        self.first_seq = self.first_seq or self.tx.journal.next_seq
        self.clock_steps.look(now)
        self.scope.begin_batch(now, self.clock_steps.steps)
        self.requests.begin_batch(batch)
        self.resumer.begin_batch()

    def committed(self, now: Now) -> None:
        """The transaction is on disk."""
        self.clock_steps.settled(now)

    def forget(self) -> None:
        """The transaction failed: what is remembered of it must be read again."""
        self.requests.repetitions.forget()
        self.alarms.forget()
        self.subscriptions.forget()
        self.liveness.forget()
        self.traces.forget()
        self.clock_steps.forget()
