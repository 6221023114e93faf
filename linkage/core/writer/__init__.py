"""From the event loop to the disk: jobs queue fairly, and one thread commits them in batches."""
