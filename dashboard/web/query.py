"""Typed values from a request's query. Anything invalid is 400."""

from flask import abort, request
from werkzeug.datastructures import MultiDict


def parameters(*known: str) -> MultiDict[str, str]:
    """Return the query's parameters. Abort with 400 if one is unknown or given twice."""
    for name, values in request.args.lists():
        if name not in known:
            abort(400, f"Unknown parameter {name[:40]!r}." + (f" Known: {', '.join(known)}." if known else ""))
        if len(values) > 1:
            abort(400, f"{name} must be given once.")
    return request.args


def flag(given: MultiDict[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        abort(400, f"{name} must be true or false.")
    return text == "true"


def whole(given: MultiDict[str, str], name: str, default: int, most: int, least: int = 1) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        abort(400, f"{name} must be a whole number from {least} to {most}.")
    return int(text)
