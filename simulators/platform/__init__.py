"""A communication platform that speaks the protocol natively; its telephones follow scripts."""
