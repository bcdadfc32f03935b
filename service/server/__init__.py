"""gunicorn's settings, and the paths of the health server. The worker and the health server are in webserver/."""
