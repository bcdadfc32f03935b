"""The simulated database: its collection, its availability, and a data service that keeps documents in memory."""
