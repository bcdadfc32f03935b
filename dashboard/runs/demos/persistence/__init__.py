"""The persistence demo: no acknowledged document is lost when the database's pod is killed."""
