"""What it costs the others when one peer, or the disk, does not do its part. See `__main__`."""
