"""What follows from a run's operations: each read judged against what was written, figures, what was covered. Pure."""
