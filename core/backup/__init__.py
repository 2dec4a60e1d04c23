"""Backups of a PostgreSQL that we run ourselves, and its return to a moment. A managed one does both by itself.

Base backups and every byte of WAL, as PostgreSQL's own programs write them; encrypted by age to public keys, so the
machine that takes them cannot read them.
"""
