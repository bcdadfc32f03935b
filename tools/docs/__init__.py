"""Generators of files that are made from the code. Run a module to write its files; a test fails if one is stale."""
