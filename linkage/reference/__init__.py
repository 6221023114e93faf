"""The reference pages that are written from the code: `python -m linkage.reference` writes them.

A module for each page; those of the messages are written by `protocol.generate`.
"""
