"""The HTTP server of both programs: gunicorn's threaded worker, with bounds on slow, silent and greedy clients."""
