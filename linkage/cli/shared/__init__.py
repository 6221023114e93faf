"""What the commands share: options, the event loop, plain values, tables, terminals."""
