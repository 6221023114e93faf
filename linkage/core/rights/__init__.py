"""What a request may ask for: roles, what it names, whose that is."""
