"""The embedded database: opening, who may write, its log, backups of its files."""
