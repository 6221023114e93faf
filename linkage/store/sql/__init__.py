"""The tables and every statement on them, by SQLAlchemy, whatever the database is."""
