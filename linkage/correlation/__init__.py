"""Which operation a message concerns.

And which business event that operation belongs to (protocol.md#events).

Pure: records and an entry in, changed records out. The same code serves the live core and a
rebuild from the journal.
"""

from linkage.correlation.apply import apply
from linkage.correlation.business_events import final_event
from linkage.correlation.journal_entry import Applied, Bound, Entry
from linkage.correlation.rules import natives_of
from linkage.ports.records import RecordsPort

__all__ = ["Applied", "Bound", "Entry", "RecordsPort", "apply", "final_event", "natives_of"]
