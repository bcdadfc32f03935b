"""The pure middle of the dashboard: no clock, no threads, no network; the standard library and msgspec only."""
