"""One business request: was it there before, is it allowed, what does it change, who is told."""
