"""The journal and the tables made from it, in SQLite (embedded) through SQLAlchemy.

Only this package imports SQLAlchemy.
"""
