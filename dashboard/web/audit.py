"""The audit of requests: one line for each that changes something, also if it is refused."""

import orjson
from flask import Response, current_app, g, request

from dashboard.web.audit_log import AuditLog
from dashboard.web.auth import SAFE_METHODS, who

SHOWN = 80  # characters of a request's value in the audit

ACTIONS = {  # by endpoint, for requests that set no `g.action`
    "runs.start": "run a demo",
    "manual.load": "start a load",
    "manual.unload": "stop the load",
    "manual.restart": "restart MongoDB",
}


def note_change(response: Response, about: dict[str, str] | None = None) -> Response:
    """Audit the request, if it changes something and has no line yet. `about` is the Kubernetes object of its Event."""
    if request.method not in SAFE_METHODS and not g.get("audited"):
        action = g.get("action") or ACTIONS.get(request.endpoint or "", f"{request.method} {request.path}")
        audit: AuditLog = current_app.extensions["audit"]
        if g.get("role") == "operator":
            audit(who(), action, _outcome(response), about)
        else:
            audit.denied(who(), action, _outcome(response))
    return response


def shown(value: object) -> str:
    """Shorten a request's value for the audit."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _outcome(response: Response) -> str:
    if response.status_code < 400:
        return "accepted" if response.status_code == 202 else "done"
    detail = (response.get_json(silent=True) or {}).get("detail", "")
    return f"{'refused' if response.status_code < 500 else 'failed'}: {response.status_code} {detail}"
