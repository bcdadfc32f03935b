"""The data service: stores JSON documents in MongoDB and returns them unchanged.

app            create_app, the application factory        server/   gunicorn's settings, the probes' paths
config         typed settings from the environment        routes/   the HTTP blueprints and the OpenAPI document
store/         MongoDB access, with its own errors        sidecar/  programs that run beside mongod
document       pure: parses and checks a document         filter    pure: parses and checks a filter
errors         every error as application/problem+json    health    liveness and readiness
coalescer      one execution for concurrent requests      metrics   Prometheus metrics
logs           JSON lines on standard output

This file imports nothing: gunicorn's master process and the sidecar import the package too, and need no Flask.
"""
