"""What linkage knows of its events: `python3 report.py linkage.toml`."""

import sys

import linkage

with linkage.open_store(sys.argv[1]) as store:
    for event in store.events():
        print(event.event_id, event.status, event.title or "", f"({event.operations} operations)")
        for operation in store.operations(event.event_id, owner=event.owner):
            numbers = f"{operation.from_num} → {operation.to_num}"
            print("  ", operation.kind, numbers, operation.outcome or operation.state)
        for entry in store.timeline(event.event_id, owner=event.owner):
            print("  ", f"{entry.at:%H:%M:%S}", entry.source, entry.name, entry.summary)
