"""Who is connected: registration, takeover by a newer session, damping, expiry of credentials."""
