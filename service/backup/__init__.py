"""Backups of the documents at one moment, their check, and their restoration: `python -m service.backup`."""
