"""`linkage demo`: both of the patent's embodiments, on simulators or on a real Asterisk."""
