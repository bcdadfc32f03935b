"""The data service: JSON documents in, the same documents out, from MongoDB, with what it did in /metrics.

app       create_app: puts the parts together            server    gunicorn's settings: how to run it; worker
config    the only reader of the environment             document  pure: check and shape one document
store     MongoDB; raises its own errors                 documents the blueprint, at /data and /proofs
filter    pure: what a filter may ask for                errors    every error as application/problem+json
body      a request's bytes, bounded                     health    liveness, readiness
probes    the probe port, on a thread of its own         metrics   what Prometheus scrapes
welcome   GET /                                          openapi   the contract, as data
sidecar   beside mongod: replica set and users           sharing   one answer for all who ask the same at once
logs      JSON lines

This file stays empty of imports: gunicorn's main process and the sidecar import the package too, and need no Flask.
"""
