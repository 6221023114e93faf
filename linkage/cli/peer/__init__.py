"""`linkage peers` and `linkage peer …`: who is configured; one shown, added, removed, rotated."""
