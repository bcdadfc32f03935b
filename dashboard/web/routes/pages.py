"""The HTML pages: the dashboard, login and logout."""

import orjson
from flask import Blueprint, Response, abort, current_app, make_response, redirect, render_template, request
from werkzeug import Response as WerkzeugResponse
from werkzeug.exceptions import HTTPException

from dashboard.config import DashboardConfig
from dashboard.web.auth import Auth, csrf_token, current_role, forget_old_cookies, require
from dashboard.web.request_body import whole
from dashboard.web.routes.runs import demos_of
from dashboard.web.routes.static_files import current_version, page_modules

pages = Blueprint("pages", __name__)

LONGEST_TOKEN = 512
LARGEST_LOGIN = 64 << 10  # bytes
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
REFUSED = "This token is not valid."  # as in login.js


@pages.context_processor
def _addresses() -> dict[str, str]:
    root = _root()
    return {"root": root, "static": f"{root}static-{current_version()}/"}


@pages.get("/")
def index() -> Response:
    """The dashboard, or a redirect to the login."""
    role = current_role()
    if role is None:
        return _to("login")
    config: DashboardConfig = current_app.config["DASHBOARD"]
    about = {
        "namespace": config.namespace,
        "cluster": config.cluster_name,
        "deployment": config.deployment,
        "statefulset": config.statefulset,
        "autoscaler": config.autoscaler,
        "service": config.service,
        "service_address": config.service_address,
        "collection": f"{config.mongodb_database}.{config.mongodb_collection}",
    }
    demos = demos_of(config, current_app.extensions["manager"])
    shown = {
        "demos": demos,
        "role": role,
        "csrf_token": csrf_token(),
        "about": about,
        "modules": page_modules(),
    }
    return make_response(render_template("index.html", **shown))


@pages.get("/login")
def login_form() -> Response:
    """The login form. A login link has the token in its fragment, which is never sent to a server."""
    return make_response(_login_page())


@pages.post("/login")
def login() -> Response:
    """Set the session cookie for the token in a form's field or in JSON."""
    auth: Auth = current_app.extensions["auth"]
    token = _given_token()
    try:
        auth.login(token if isinstance(token, str) and len(token) <= LONGEST_TOKEN else "")
    except HTTPException as error:
        if request.mimetype not in FORM_TYPES:
            raise
        return _refused_form(error.get_response())
    return forget_old_cookies(Response(status=204) if request.is_json else _to(""))


def _given_token() -> object:
    if not request.is_json:
        return request.form.get("token")
    try:
        body = orjson.loads(whole(LARGEST_LOGIN, "The body"))
    except orjson.JSONDecodeError:
        abort(400, "The body is not JSON.")
    return body.get("token") if isinstance(body, dict) else None


@pages.post("/logout")
@require("viewer")
def logout() -> Response:
    auth: Auth = current_app.extensions["auth"]
    auth.logout()
    return Response(status=204) if request.is_json else _to("login")


def _login_page(error: str = "") -> str:
    config: DashboardConfig = current_app.config["DASHBOARD"]
    return render_template("login.html", role=None, csrf_token="", about={}, config=config, error=error)


def _refused_form(refusal: WerkzeugResponse) -> Response:
    """The login form with the reason of the refusal and its status, for browsers without JavaScript."""
    wait = refusal.headers.get("Retry-After")
    error = f"Too many attempts. Try again in {wait} seconds." if wait else REFUSED
    response = make_response(_login_page(error), refusal.status_code)
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in refusal.headers:
            response.headers[name] = refusal.headers[name]
    return response


def _root() -> str:
    """Return what the pages' addresses begin with: the prefix if it is known. Without, they are relative, and right
    behind a proxy that removes its prefix and does not say so."""
    return f"{request.script_root}/" if request.script_root else ""


def _to(page: str) -> Response:
    response = redirect(_root() + page or "./", 303)
    assert isinstance(response, Response)  # noqa: S101 - for the type checker
    return response
