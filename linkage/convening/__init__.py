"""Calling people together: who is there to be called, and the race in which they are (210, 204).

Pure: no clock, no telephone. Whoever has telephones applies what the race wants of them.
"""
