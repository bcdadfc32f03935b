"""The data service: stores JSON documents in MongoDB and returns them unchanged.

app            create_app, the application factory        server/   gunicorn's settings, the probes' paths
application    Flask without what is not used             routes/   the HTTP blueprints and the OpenAPI document
config         typed settings from the environment        sidecar/  programs that run beside mongod
store/         MongoDB access, with its own errors        backup/   backups: made, checked and restored
document       pure: parses and checks a document         filter    pure: parses and checks a filter
preconditions  pure: ETags, If-Match, If-None-Match       health    liveness and readiness
errors         every error as application/problem+json    metrics   Prometheus metrics
coalescer      one execution for concurrent requests      logs      JSON lines on standard output

This file imports nothing: gunicorn's master process and the sidecar import the package too, and need no Flask.
"""
