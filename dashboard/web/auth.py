"""Authentication: two tokens for two roles, in a signed session cookie for browsers or as `Authorization: Bearer`.

A session's request that changes something must come from this origin and carry the CSRF token. A Bearer request needs
neither, since no browser sends that header by itself.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, current_app, g, request, session
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from dashboard.config import Config
from dashboard.web.problems import problem

SESSION_HOURS = 12
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FAILURES = 10  # wrong tokens from one address within FAILURES_SECONDS: then 429
FAILURES_SECONDS = 60.0
ADDRESSES = 1024  # remembered at most
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]+")

P = ParamSpec("P")
View = Callable[P, Response]


class Auth:
    """Checks tokens, and limits the attempts of each address."""

    def __init__(self, config: Config) -> None:
        self._tokens = {"operator": config.operator_token.encode(), "viewer": config.viewer_token.encode()}
        self._key = config.session_key.encode()
        self._limit = AttemptLimit()

    def login(self, token: str) -> str:
        """Put the token's role into the session and return it. Abort with 401 for a wrong token, 429 for too many."""
        role = self._role_of(token)
        session.clear()
        session.permanent = True
        session["role"] = role
        session["token"] = self._fingerprint(role)
        session["csrf"] = secrets.token_urlsafe(24)
        return role

    def role(self) -> str | None:
        """Return the role of the request's Bearer token or else of its session; None without both."""
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                abort(401, "The Authorization must be Bearer.", www_authenticate=WWWAuthenticate("bearer"))
            return self._role_of(token.strip())
        role = session.get("role")
        if role not in self._tokens:
            return None
        return role if hmac.compare_digest(str(session.get("token", "")), self._fingerprint(role)) else None

    def _role_of(self, token: str) -> str:
        """Compare with every token, each in constant time. A limited address is refused even with a valid token."""
        address = request.remote_addr or ""
        if wait := self._limit.wait(address):
            abort(problem(429, "Too many wrong tokens.", Retry_After=str(wait)))
        guess = token.encode("utf-8", "replace")
        matches = [role for role, known in self._tokens.items() if hmac.compare_digest(guess, known)]
        if not matches:
            self._limit.failed(address)
            abort(401, "Invalid token.", www_authenticate=WWWAuthenticate("bearer"))
        return matches[0]

    def _fingerprint(self, role: str) -> str:
        """Bind a session to its token: a session becomes invalid when its token is replaced."""
        return hmac.new(self._key, self._tokens[role], hashlib.sha256).hexdigest()[:32]


class AttemptLimit:
    """Counts failures by address, for up to ADDRESSES. It ignores forwarded headers: any client can set them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Return the whole seconds until the address may try again, 0 if it may now."""
        with self._lock:
            failures = self._failures.get(address)
            if not failures or len(failures) < FAILURES:
                return 0
            left = failures[0] + FAILURES_SECONDS - self._clock()
            return int(left) + 1 if left > 0 else 0

    def failed(self, address: str) -> None:
        with self._lock:
            self._failures.setdefault(address, deque(maxlen=FAILURES)).append(self._clock())
            self._failures.move_to_end(address)
            while len(self._failures) > ADDRESSES:
                self._failures.popitem(last=False)


def install(app: Flask, auth: Auth, session_key: str) -> None:
    """Set up sessions, CSRF checks, and the security headers of every response."""
    app.secret_key = session_key
    app.config.update(
        SESSION_COOKIE_NAME="dashboard",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.extensions["auth"] = auth
    app.before_request(_check_mutation)
    app.after_request(_add_headers)


def require(role: str) -> Callable[[View[P]], View[P]]:
    """Decorate a view that needs this role: 401 without a role, 403 for a viewer if it needs an operator."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            g.role = current_role()
            if g.role is None:
                raise Unauthorized("Sign in, or send a token as Bearer.", www_authenticate=WWWAuthenticate("bearer"))
            if role == "operator" and g.role != "operator":
                raise Forbidden("A viewer has read access only.")
            return view(*args, **kwargs)

        return guarded

    return decorate


def current_role() -> str | None:
    auth: Auth = current_app.extensions["auth"]
    return auth.role()


def who() -> str:
    """Return the requester for the audit: role, session or token, address. Four digits distinguish sessions."""
    way = "token"
    if "Authorization" not in request.headers:
        way = f"session {hashlib.sha256(csrf_token().encode()).hexdigest()[:4]}" if csrf_token() else "no token"
    return f"{g.get('role') or 'nobody'} ({way}, {request.remote_addr or 'nowhere'})"


def csrf_token() -> str:
    return str(session.get("csrf", ""))


def same_origin(req: Request, *, required: bool) -> bool:
    """Return whether the request's Origin is this host, or is missing and not required.

    The scheme may differ: behind a proxy that terminates TLS, the page is https and the request http.
    """
    origin = req.headers.get("Origin")
    if origin is None:
        return not required
    return bool(req.host) and urlsplit(origin).netloc.lower() == req.host.lower()


def _check_mutation() -> None:
    if request.method in SAFE_METHODS or "Authorization" in request.headers:
        return
    signing_in = request.endpoint == "pages.login"
    if not signing_in and current_role() is None:
        return  # without a session there is no CSRF, and the view answers 401
    if not same_origin(request, required=not signing_in):
        raise Forbidden("The request does not come from this origin.")
    if signing_in:
        return
    sent = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD) or ""
    if not csrf_token() or not hmac.compare_digest(sent.encode(), csrf_token().encode()):
        raise Forbidden("The CSRF token is missing or invalid.")


def _add_headers(response: Response) -> Response:
    """The Referrer-Policy is not `no-referrer`, because browsers then send `Origin: null` with a form."""
    sockets = f" ws://{request.host} wss://{request.host}" if _PLAIN_HOST.fullmatch(request.host) else ""
    response.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; connect-src 'self'{sockets}; base-uri 'none'; form-action 'self';"
        " object-src 'none'; frame-ancestors 'none'",
    )
    response.headers.update(
        {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
    )
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
