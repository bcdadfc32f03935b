"""Runs of demos, one at a time: the manager, a run's context and record, its report. The demos are in `demos`."""
