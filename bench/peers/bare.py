"""Flask with a constant response, the bytes of a file: the cost of HTTP without a database."""

import os
from pathlib import Path

from flask import Flask, Response

app = Flask(__name__)
BODY = Path(os.environ["BODY"]).read_bytes()


@app.get("/data")
def constant() -> Response:
    return Response(BODY, content_type="application/json")
