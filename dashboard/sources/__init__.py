"""Where events come from: watches, the database's change stream, the pods' metrics. Each has threads of its own."""
