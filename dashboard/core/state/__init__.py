"""The state that the page shows, built from events: views, charts, differences, and what outlives the process."""
