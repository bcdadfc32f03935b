"""The autoscale demo: the autoscaler adds pods under load, and removes them afterwards."""
