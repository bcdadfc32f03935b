"""The persistence demo: nothing that was acknowledged is lost when the database's pod is killed."""
