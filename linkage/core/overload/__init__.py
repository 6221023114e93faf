"""Whether linkage can take more just now, and what it says where it cannot (back-pressure)."""
