"""The HTTP server: gunicorn's settings, its worker, and the health server."""
