"""The HTTP server of both programs: gunicorn's threaded worker, with bounds on clients that are slow, silent or greedy."""
