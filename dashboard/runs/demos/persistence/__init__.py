"""The persistence demo: nothing acknowledged is lost when the database's pod is killed."""
