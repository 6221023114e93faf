"""What programs read beside a serving linkage: events, operations, the journal, peers."""
