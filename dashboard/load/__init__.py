"""The load generator: its options and schedule, its process, and the supervisor that starts and stops it."""
