"""The failover demo: another member takes over from a primary that was ended."""
