"""`linkage top`: what a serving linkage does right now; `rates` works it out from scrapes."""
