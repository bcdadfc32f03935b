"""Generators of documents under docs/."""
