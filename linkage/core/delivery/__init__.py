"""From the journal to the receivers: their queues, what goes on where, how a row is shown."""
