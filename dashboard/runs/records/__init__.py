"""What is kept of runs: their records and the history."""
