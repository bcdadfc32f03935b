"""Notes, a small service with PostgreSQL: PUT /notes/<id> {"text": …}, GET /notes/<id>, GET /notes?limit=20."""

import os
from typing import Any

import psycopg
from flask import Flask, Response, abort, jsonify, request
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

TABLE = "CREATE TABLE IF NOT EXISTS notes (id uuid PRIMARY KEY, text text NOT NULL, run text)"
DEADLINE_SECONDS = 10.0  # for a connection: longer than PostgreSQL's restart, so that a request waits for it

app = Flask(__name__)
pool = ConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=0,
    max_size=8,
    timeout=DEADLINE_SECONDS,
    kwargs={"row_factory": dict_row, "autocommit": True, "connect_timeout": 2},
    check=ConnectionPool.check_connection,
)


@app.put("/notes/<uuid:id_>")
def put(id_: Any) -> Response:
    """Store the note. The same request again changes nothing: it may be sent twice."""
    body = request.get_json()
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        abort(422)
    rows = query(
        "INSERT INTO notes VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET text = EXCLUDED.text RETURNING id",
        (id_, body["text"], body.get("run")),
    )
    return jsonify(rows[0])


@app.get("/notes/<uuid:id_>")
def get(id_: Any) -> Response:
    rows = query("SELECT id, text, run FROM notes WHERE id = %s", (id_,))
    return jsonify(rows[0]) if rows else abort(404)


@app.get("/notes")
def newest() -> Response:
    limit = min(max(request.args.get("limit", 20, int), 1), 200)
    return jsonify(query("SELECT id, text, run FROM notes ORDER BY id DESC LIMIT %s", (limit,)))


@app.get("/healthz")
def healthz() -> Response:
    return jsonify(ok=True)


@app.errorhandler(psycopg.Error)
def database(error: psycopg.Error) -> tuple[Response, int]:
    """Nothing is known of a write whose connection broke."""
    return jsonify(detail=f"PostgreSQL: {type(error).__name__}"), 503


@app.errorhandler(404)
@app.errorhandler(422)
def refused(error: Any) -> tuple[Response, int]:
    return jsonify(detail=error.name), error.code


def query(text: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    with pool.connection() as connection:
        found = connection.execute(text, values)  # type: ignore[call-overload]
        return found.fetchall()  # type: ignore[no-any-return]


with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as first:  # until it succeeds, the pod starts again
    first.execute("SELECT pg_advisory_lock(1)")  # pods that start at the same time make the table one after another
    first.execute(TABLE)
