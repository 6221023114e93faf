"""Tests against real peers (ARCHITECTURE.md section 10)."""
