"""Conferences: one bridge, members who come and go (103, 104), and their control (203, 204)."""
