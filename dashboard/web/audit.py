"""The audit of requests: one line for each that changes something, also if it is refused."""

from flask import Response, current_app, g, request

from dashboard.runs.audit import AuditLog
from dashboard.web.auth import SAFE_METHODS, who

ACTIONS = {  # by endpoint, for requests that set no `g.action`
    "runs.start": "run a demo",
    "runs.load": "start a load",
    "runs.unload": "stop the load",
    "runs.restart": "restart MongoDB",
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


def _outcome(response: Response) -> str:
    if response.status_code < 400:
        return "accepted" if response.status_code == 202 else "done"
    detail = (response.get_json(silent=True) or {}).get("detail", "")
    return f"{'refused' if response.status_code < 500 else 'failed'}: {response.status_code} {detail}"
