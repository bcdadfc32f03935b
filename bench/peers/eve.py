"""Eve as its documentation sets it up: one resource, validated by a schema, readable and writable by everyone."""

import os

from eve import Eve

SCHEMA = {
    "sensor": {"type": "string"},
    "value": {"type": "float"},
    "unit": {"type": "string"},
    "at": {"type": "string"},
    "n": {"type": "integer"},
    "tags": {"type": "list", "schema": {"type": "string"}},
    "ok": {"type": "boolean"},
}

app = Eve(
    settings={
        "MONGO_URI": os.environ["MONGODB_URI"],
        "MONGO_DBNAME": os.environ["MONGODB_DATABASE"],
        "DOMAIN": {"data": {"schema": SCHEMA}},
        "RESOURCE_METHODS": ["GET", "POST"],
    }
)
