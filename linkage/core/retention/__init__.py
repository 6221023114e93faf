"""Retention: what is kept no longer is found beside the writer and taken away in slices."""
