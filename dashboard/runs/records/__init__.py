"""What is kept of runs: their records, the history, the reports."""
