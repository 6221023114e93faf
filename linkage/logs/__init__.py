"""The log: lines with context, for people or as JSON, without secrets."""
