"""Programs that run beside mongod: `python -m service.sidecar` forms the replica set, and
`python -m service.sidecar.crash` kills mongod when it is asked to, where an overlay adds it.
"""
