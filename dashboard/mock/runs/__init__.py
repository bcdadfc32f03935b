"""Simulated runs and loads: they show the steps and verdicts of the real ones and prove nothing."""
