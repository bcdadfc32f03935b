"""The HTML pages: the dashboard, login and logout; and the static files that they name."""

import functools
import hashlib
import re
from pathlib import Path

import orjson
from flask import Blueprint, Response, abort, current_app, make_response, redirect, render_template, request
from flask.blueprints import BlueprintSetupState
from werkzeug import Response as WerkzeugResponse
from werkzeug.exceptions import HTTPException

from dashboard.config import DashboardConfig
from dashboard.web.auth import Auth, csrf_token, current_role, forget_old_cookies, require
from dashboard.web.request_body import whole
from dashboard.web.routes.runs import demos_of

pages = Blueprint("pages", __name__)

LONGEST_TOKEN = 512
LARGEST_LOGIN = 64 << 10  # bytes
MAIN = "js/main.js"
FOREVER = "public, max-age=31536000, immutable"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_IMPORT = re.compile(r'^(?:import|export)\b[^"();]*"(\.[^"]+)";', re.MULTILINE)
REFUSED = "This token is not valid. “make login” prints the link again."  # as in login.js


@pages.record_once
def _prepare(setup: BlueprintSetupState) -> None:
    """List the JavaScript modules that the page's first one imports, as paths under static/, and version the files."""
    root = Path(str(setup.app.static_folder)).resolve()
    setup.app.extensions["modules"] = _modules(root)
    setup.app.extensions["static_version"] = _version(root)


@functools.cache
def _modules(root: Path) -> list[str]:
    """Return MAIN and all that it imports from the start, without the libraries. What it imports by `import()` opens
    later, and loads then."""
    main = root / MAIN
    found, left = {main}, [main]
    while left:
        importing = left.pop()
        for name in _IMPORT.findall(importing.read_text()):
            path = (importing.parent / name).resolve()
            if path not in found and "vendor" not in path.parts:
                found.add(path)
                left.append(path)
    return sorted(path.relative_to(root).as_posix() for path in found)


@functools.cache
def _version(root: Path) -> str:
    """Return a digest of all static files, with their paths."""
    digest = hashlib.sha256()
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@pages.context_processor
def _addresses() -> dict[str, str]:
    return {"root": _root(), "static": f"{_root()}static-{current_app.extensions['static_version']}/"}


@pages.get("/static-<version>/<path:filename>")
def static_file(version: str, filename: str) -> Response:
    """A static file. The address names the version of them all, so a browser need not ask again whether it has changed.

    A page of another version, which was open during a roll-out, gets the present file, and asks again. So does the page
    of the mock, whose files are worked on.
    """
    response = current_app.send_static_file(filename)
    config: DashboardConfig = current_app.config["DASHBOARD"]
    if version == current_app.extensions["static_version"] and config.source != "mock":
        response.headers["Cache-Control"] = FOREVER
    return response


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
        "modules": current_app.extensions["modules"],
    }
    return make_response(render_template("index.html", **shown))


@pages.get("/login")
def login_form() -> Response:
    """The login form. A login link has the token in its fragment, which is never sent to a server."""
    return make_response(render_template("login.html", role=None, csrf_token="", about={}))


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


def _refused_form(refusal: WerkzeugResponse) -> Response:
    """The login form with the reason of the refusal and its status, for browsers without JavaScript."""
    wait = refusal.headers.get("Retry-After")
    error = f"Too many attempts. Try again in {wait} seconds." if wait else REFUSED
    page = render_template("login.html", role=None, csrf_token="", about={}, error=error)
    response = make_response(page, refusal.status_code)
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
