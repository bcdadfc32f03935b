"""The audit over HTTP."""

import orjson
from flask import Blueprint, Response, current_app

from dashboard.web.audit_log import AuditLog
from dashboard.web.auth import require

audit_log = Blueprint("audit", __name__, url_prefix="/api")


@audit_log.get("/audit")
@require("viewer")
def lines() -> Response:
    """The audit log, newest first."""
    audit: AuditLog = current_app.extensions["audit"]
    return Response(orjson.dumps(audit.newest()), content_type="application/json")
