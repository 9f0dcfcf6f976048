"""Adapters that keep the records: what `access` reads and `control` writes."""
