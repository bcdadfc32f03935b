"""Eve set up as in its documentation: one resource with a schema, and no authentication."""

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
    "text": {"type": "string"},
}

app = Eve(
    settings={
        "MONGO_URI": os.environ["MONGODB_URI"],
        "MONGO_DBNAME": os.environ["MONGODB_DATABASE"],
        "DOMAIN": {"data": {"schema": SCHEMA}},
        "RESOURCE_METHODS": ["GET", "POST"],
    }
)
