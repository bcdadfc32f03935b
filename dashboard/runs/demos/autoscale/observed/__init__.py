"""What an autoscale run sees, one look a second, and what it tells of the run. Pure."""
