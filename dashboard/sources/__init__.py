"""The sources of events: watches, the database's change stream, the pods' metrics. Each has its own threads."""
