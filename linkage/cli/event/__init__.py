"""`linkage event …`: show events and their timelines; change them, as an operator."""
