"""Traces of OpenTelemetry: what became of a message, from its sender to its receivers."""
