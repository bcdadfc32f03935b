"""The data service, as the dashboard uses it over HTTP."""
