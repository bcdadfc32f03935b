"""Flask's application without what the service does not use, and with the work that surrounds each of its requests.

Sessions, signals, flashed messages, hooks of single blueprints and coroutines cost a third of Flask's time even where
there are none. Only methods that Flask documents are overridden.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import flask
from flask import Flask, Response
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import MisdirectedRequest
from werkzeug.routing import MapAdapter

from service import logs
from webserver import hosts
from webserver.channel import ARRIVED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?P<more>-[\x21-\x7e]*)?"
)


class Instruments(Protocol):
    """Counts and times requests (implemented by Metrics)."""

    def begin(self) -> None: ...

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None: ...

    def end(self) -> None: ...


class ServiceRequest(flask.Request):
    """A request with its id (the client's if it is valid, else a new one) and its trace. Logs, errors and the response
    carry both."""

    id = ""
    trace_id = ""  # of the client's traceparent; empty if that is missing or invalid
    began = 0.0  # time.perf_counter()

    def identify(self) -> None:
        given = self.environ.get("HTTP_X_REQUEST_ID", "")
        self.id = given if given and _REQUEST_ID.fullmatch(given) else _new_id()
        self.trace_id = _trace_id(self.environ.get("HTTP_TRACEPARENT", ""))


class JsonResponse(Response):
    """A response whose headers are complete. werkzeug would parse and rebuild its Location."""

    def __init__(self, value: bytes, status: int = 200) -> None:
        headers = Headers()
        headers.add("Content-Type", "application/json")
        headers.add("Content-Length", str(len(value)))
        super().__init__(None, status, headers)
        self.response = [value]

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(self.status, self.headers.to_wsgi_list())
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response  # type: ignore[return-value]


class _NoSessions(SessionInterface):
    _session = NullSession()

    def open_session(self, app: Flask, request: flask.Request) -> NullSession:
        return self._session


class Application(Flask):
    """The service's Flask. It calls no hooks (before_request and the like): what surrounds a request is here."""

    request_class = ServiceRequest
    session_interface = _NoSessions()

    def __init__(
        self, name: str, instruments: Instruments, allowed_hosts: frozenset[str], begin: Callable[[float], None]
    ) -> None:
        """`begin` gets the `time.monotonic()` at which each request had arrived, on its thread."""
        super().__init__(name, static_folder=None)
        self._instruments = instruments
        self._begin = begin
        self._allowed_hosts = allowed_hosts
        self.url_map.redirect_defaults = False  # no route has any

    def full_dispatch_request(self) -> Response:
        current = current_request()
        current.began = time.perf_counter()
        self._instruments.begin()
        self._begin(current.environ.get(ARRIVED) or time.monotonic())
        try:
            current.identify()
            try:
                answer = self._admit(current)
            except Exception as error:
                answer = self.handle_user_exception(error)
            response = self.make_response(answer)
            _label(response, current)
            _log(response, current)
            route = current.url_rule.rule if current.url_rule else None
            self._instruments.answered(current.method, route, response.status_code, time.perf_counter() - current.began)
            return response
        finally:
            self._instruments.end()

    def _admit(self, current: ServiceRequest) -> ResponseReturnValue:
        if not hosts.is_own(current.environ.get("HTTP_HOST", ""), self._allowed_hosts):
            raise MisdirectedRequest("This Host name is not allowed: add it to ALLOWED_HOSTS.")
        return self.dispatch_request()

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Return what matches a request's path. The host counts in redirects only."""
        if request is None:
            return None
        environ = request.environ
        return MapAdapter(
            self.url_map,
            server_name=environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}",
            script_name=request.root_path,
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
            query_args=environ.get("QUERY_STRING", ""),
        )

    def do_teardown_request(self, *_: Any) -> None:
        """There is nothing to tear down."""

    def do_teardown_appcontext(self, *_: Any) -> None:
        """There is nothing to tear down."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def current_request() -> ServiceRequest:
    """Return the request itself. Through Flask's proxy, each of its attributes costs a look-up of the context."""
    return request_ctx.request  # type: ignore[return-value]


def _new_id() -> str:
    """Return an id that is no secret: the system's random numbers would cost a system call, which releases the GIL."""
    return f"{random.getrandbits(64):016x}"


def _trace_id(traceparent: str) -> str:
    """Return the trace id of a W3C traceparent; empty if it is missing or invalid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if not match or (match["version"] == "00" and match["more"]):  # only a later version may have more fields
        return ""
    return match["trace"]


def _label(response: Response, current: ServiceRequest) -> None:
    response.headers.add("X-Request-Id", current.id)
    if current.trace_id:
        response.headers.add("traceparent", current.environ["HTTP_TRACEPARENT"])
    response.headers.add("X-Content-Type-Options", "nosniff")


def _log(response: Response, current: ServiceRequest) -> None:
    fields = {"trace_id": current.trace_id} if current.trace_id else {}
    logs.write(
        "request",
        method=current.method,
        path=current.path,
        status=response.status_code,
        address=current.remote_addr,
        seconds=round(time.perf_counter() - current.began, 6),
        request_id=current.id,
        **fields,
    )
