"""Damaged streams against a live linkage, by the million, and what must hold meanwhile."""

from tests.load.fuzz.campaign import Fuzz, Report, run_fuzz

__all__ = ["Fuzz", "Report", "run_fuzz"]
