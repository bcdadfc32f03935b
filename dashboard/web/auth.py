"""Authentication: two tokens for two roles, in a signed session cookie for browsers or as `Authorization: Bearer`.

A session's request that changes something must come from this origin and carry the CSRF token. A Bearer request needs
neither, since no browser sends that header by itself.
"""

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec

from flask import Flask, Request, Response, abort, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, MisdirectedRequest, Unauthorized

from dashboard.config import DashboardConfig
from dashboard.web.problems import problem
from webserver import hosts

SESSION_HOURS = 12
DEFAULT_PORTS = {"http": 80, "https": 443}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FAILURES = 10  # wrong tokens from one address within FAILURES_SECONDS: then 429
FAILURES_SECONDS = 60.0
ADDRESSES = 1024  # remembered at most
COOKIES = 8  # of dashboards at one host name; a mock has a new key, and so another cookie, after each start
ENDED_SESSIONS = 4096  # remembered one by one; only a valid session can end
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]+")

P = ParamSpec("P")
View = Callable[P, Response]


class Auth:
    """Checks tokens, and limits the attempts of each address."""

    def __init__(self, config: DashboardConfig) -> None:
        self._tokens = {"operator": config.operator_token.encode(), "viewer": config.viewer_token.encode()}
        self._key = config.session_key.encode()
        self._limit = AttemptLimit()
        self._ended = EndedSessions()
        self._on_logout: list[Callable[[str], None]] = []

    def login(self, token: str) -> str:
        """Put the token's role into the session and return it. Abort with 401 for a wrong token, 429 for too many."""
        role = self._role_of(token)
        session.clear()
        session.permanent = True
        session["role"] = role
        session["token"] = self._fingerprint(role)
        session["csrf"] = secrets.token_urlsafe(24)
        session["origin"] = request.headers.get("Origin")
        session["until"] = int(time.time()) + SESSION_HOURS * 3600
        return role

    def role(self) -> str | None:
        """Return the role of the request's Bearer token or else of its session; None without both."""
        token = bearer_token(request)
        if token is not None:
            return self._role_of(token)
        role = session.get("role")
        if role not in self._tokens or self._ended.has(session_id(), session_end()):
            return None
        return role if hmac.compare_digest(str(session.get("token", "")), self._fingerprint(role)) else None

    def logout(self) -> None:
        """End the request's session: its cookie is worth nothing from now on. Without a session do nothing."""
        ended = session_id()
        if not ended:
            return
        self._ended.add(ended, session_end())
        session.clear()
        for listener in self._on_logout:
            listener(ended)

    def on_logout(self, listener: Callable[[str], None]) -> None:
        """Call the listener with the id of each session that ends."""
        self._on_logout.append(listener)

    def _role_of(self, token: str) -> str:
        """Compare with every token, each in constant time. Only wrong tokens are limited: behind a NodePort all clients
        may have one address, and one of them must not lock out the others."""
        guess = token.encode("utf-8", "replace")
        matches = [role for role, known in self._tokens.items() if hmac.compare_digest(guess, known)]
        if matches:
            return matches[0]
        address = request.remote_addr or ""
        if wait := self._limit.wait(address):
            abort(problem(429, "Too many wrong tokens.", Retry_After=str(wait)))
        self._limit.failed(address)
        abort(401, "Invalid token.", www_authenticate=WWWAuthenticate("bearer"))

    def _fingerprint(self, role: str) -> str:
        """Bind a session to its token: a session becomes invalid when its token is replaced."""
        return hmac.new(self._key, self._tokens[role], hashlib.sha256).hexdigest()[:32]


class AttemptLimit:
    """Counts failures by address, for up to ADDRESSES."""

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


class EndedSessions:
    """The sessions that were logged out, by when their cookies expire. Lost with the process.

    The first to expire is forgotten when there are too many. From then on, all that expire no later than it count as
    ended: a logged-out cookie never becomes valid again, and who signed in before it has to sign in once more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[str, float] = {}  # by session, in seconds since 1970
        self._forgotten = -math.inf  # the last end of those that are forgotten

    def add(self, session: str, end: float) -> None:
        with self._lock:
            self._ends[session] = end
            if len(self._ends) > ENDED_SESSIONS:
                first = min(self._ends, key=self._ends.__getitem__)
                self._forgotten = max(self._forgotten, self._ends[first])
                del self._ends[first]

    def has(self, session: str, end: float) -> bool:
        return end <= self._forgotten or session in self._ends


class SessionCookie(SecureCookieSessionInterface):
    """The session's cookie.

    Its name has a hash of the session key: cookies know no ports, and one host may have several dashboards. It has no
    Path: the browser takes that of /login, under whatever prefix it sees. So only /login and /logout may set it. Over
    TLS it is Secure, and no page without TLS can replace it (__Secure-).
    """

    def get_cookie_name(self, app: Flask) -> str:
        name: str = app.config["SESSION_COOKIE_NAME"]
        return f"__Secure-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        return None  # type: ignore[return-value]


def forget_old_cookies(response: Response) -> Response:
    """Delete the oldest cookies beyond COOKIES: a request with all of them would exceed the limit for headers."""
    own = current_app.session_interface.get_cookie_name(current_app)
    kind = own.rpartition("-")[0]
    others = [name for name in request.cookies if name.startswith(f"{kind}-") and name != own]
    for name in others[: max(0, len(others) - COOKIES + 1)]:
        response.delete_cookie(name, path=None, secure=request.is_secure)
    return response


def install(app: Flask, auth: Auth, config: DashboardConfig) -> None:
    """Set up sessions, the checks of Host and CSRF, and the security headers of every response."""
    app.secret_key = config.session_key
    app.session_interface = SessionCookie()
    app.config.update(
        SESSION_COOKIE_NAME=f"dashboard-{hashlib.sha256(config.session_key.encode()).hexdigest()[:8]}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.extensions["auth"] = auth
    app.before_request(check_host)
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


def check_host() -> None:
    """Abort with 421 unless Host is one of the dashboard's own names, or the request has a session or a token, or
    brings a token to sign in. A page of a foreign site, whose name may lead here (DNS rebinding), has neither."""
    config: DashboardConfig = current_app.config["DASHBOARD"]
    if hosts.is_own(request.headers.get("Host", ""), config.allowed_hosts):
        return
    if request.endpoint != "pages.login" and current_role() is None:
        raise MisdirectedRequest("This Host name is not allowed: add it to ALLOWED_HOSTS.")


def who() -> str:
    """Return the requester for the audit: role, session or token, address. Four digits distinguish sessions."""
    way = "token"
    if bearer_token(request) is None:
        way = f"session {session_id()[:4]}" if session_id() else "no token"
    return f"{g.get('role') or 'nobody'} ({way}, {request.remote_addr or 'nowhere'})"


def bearer_token(req: Request) -> str | None:
    """Return the request's Bearer token. Any other Authorization may be a proxy's own."""
    scheme, _, token = req.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def csrf_token() -> str:
    return str(session.get("csrf", ""))


def session_id() -> str:
    """Return what distinguishes the request's session from others; empty without one."""
    return hashlib.sha256(csrf_token().encode()).hexdigest() if csrf_token() else ""


def viewer_id() -> str:
    """Return what distinguishes the request's viewer: the session, or the client's address for a Bearer token."""
    return session_id() or f"address {request.remote_addr}"


def session_end() -> float:
    """Return when the request's session expires, in seconds since 1970; never without one."""
    return float(session.get("until", math.inf))


def same_origin(req: Request, *, required: bool) -> bool:
    """Return whether a page of this dashboard sends the request, or nothing says so and nothing is required.

    Behind a proxy that changes Host, the browser's own Sec-Fetch-Site counts, or the Origin that the session began
    with. Not every browser sends the former with a WebSocket, and none does without TLS, except to localhost.
    """
    if req.headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    origin = req.headers.get("Origin")
    if origin is None:
        return not required
    return origin == session.get("origin") or is_origin_of(origin, req.headers.get("Host", ""))


def is_origin_of(origin: str, host: str) -> bool:
    """Return whether a page of this Origin was served by this Host.

    The scheme may differ: behind a proxy that terminates TLS, the page is https and the request http. A proxy may name
    the scheme's default port in Host, which a browser leaves out in Origin.
    """
    scheme, _, authority = origin.lower().partition("://")
    default = DEFAULT_PORTS.get(scheme)
    return default is not None and authority != "" and authority == host.lower().removesuffix(f":{default}")


def _check_mutation() -> None:
    if request.method in SAFE_METHODS or bearer_token(request) is not None:
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
