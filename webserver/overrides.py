"""gunicorn's work for each request, made cheaper: parsing, the WSGI environment, the answer's head.

These are private parts of gunicorn, so this file names the versions that it was made for. gunicorn itself judges every
head, but each only once: clients repeat theirs, so a bounded number of request lines and header blocks is remembered
with what gunicorn made of them. Left out are settings that neither program uses: max_requests, post_request,
SCRIPT_NAME from the process's environment, 103 Early Hints and sendfile.
"""

from __future__ import annotations

import functools
import time
from io import BytesIO
from typing import Any

from gunicorn import SERVER_SOFTWARE, util  # type: ignore[import-untyped]
from gunicorn.http.body import ChunkedReader, LengthReader  # type: ignore[import-untyped]
from gunicorn.http.errors import ChunkMissingTerminator, UnsupportedTransferCoding  # type: ignore[import-untyped]
from gunicorn.http.message import TOKEN_RE  # type: ignore[import-untyped]
from gunicorn.http.message import Request as HttpRequest
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]
from gunicorn.http.unreader import IterUnreader, Unreader  # type: ignore[import-untyped]
from gunicorn.http.wsgi import HEADER_VALUE_RE, WSGIErrorsWrapper  # type: ignore[import-untyped]
from gunicorn.http.wsgi import Response as HttpResponse

VERSIONS = ("27.0.1",)  # of gunicorn
REMEMBERED = 256  # request lines, and as many header blocks
LONGEST_REMEMBERED = 1024  # bytes of each

Environ = dict[str, Any]


class UnknownVersion(Exception):
    """These overrides were not made for the installed gunicorn. The message is a sentence for the user."""


def require_known(version: str) -> None:
    """Raise UnknownVersion unless the overrides fit this version of gunicorn."""
    if version not in VERSIONS:
        raise UnknownVersion(
            f"gunicorn is {version}, and webserver/overrides.py was made for {', '.join(VERSIONS)}: install that "
            "version, or compare what it overrides and add the new one."
        )


class Request(HttpRequest):  # type: ignore[misc]
    """A parsed request. `fields` is its head, as the WSGI environment has it."""

    longest_remembered: int

    def __init__(self, cfg: Any, unreader: Unreader, peer_addr: Any, req_number: int = 1) -> None:
        self.__dict__.update(_defaults(cfg))
        self.unreader = unreader
        self.peer_addr = self.remote_addr = peer_addr
        self.req_number = req_number
        self.headers: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.fields: Environ = {}
        if rest := self.parse(unreader):
            unreader.unread(rest)
        self.set_body_reader()

    def parse(self, unreader: Unreader) -> Any:
        """Return the bytes behind the head."""
        data = unreader.read()
        line_end, end = data.find(b"\r\n"), data.find(b"\r\n\r\n")
        usual = 0 < line_end < end and data.find(b"\n", 0, line_end) < 0
        if not usual or max(line_end, end - line_end) > self.longest_remembered:
            unreader.unread(data)
            rest = super().parse(unreader)
            self.fields = _block_fields(self.headers) | _line_fields(self)
            return rest
        parts, line_fields = _parse_line(self.cfg, data[:line_end])
        self.__dict__.update(parts)
        block = _parse_block(self.cfg, self.version, data[line_end + 2 : end])
        headers, self._expected_100_continue, block_fields = block
        self.headers = [*headers]
        self.fields = block_fields | line_fields
        return data[end + 4 :]

    def set_body_reader(self) -> None:
        """Refuse a body in another coding than chunked. gunicorn would pass it on as it is."""
        super().set_body_reader()
        codings = [value for name, value in self.headers if name == "TRANSFER-ENCODING"]
        if codings and (len(codings) > 1 or codings[0].lower() != "chunked"):
            raise UnsupportedTransferCoding(",".join(codings))

    def chunked_body(self, *, is_malformed: bool) -> BytesIO | None:
        """Return the body if it is chunked; the worker has received all of it. Raise gunicorn's errors, so that a
        malformed one is refused before the application begins."""
        if type(self.body.reader) is not ChunkedReader:
            return None
        try:
            if not is_malformed:
                return BytesIO(self.body.read())
        except OSError:
            pass  # gunicorn expects more of it
        self.body.failed = True
        raise ChunkMissingTerminator(b"")

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        """Trust no peer's headers: webserver.forwarded reads those of a proxy."""
        return {}, []


class Parser(RequestParser):  # type: ignore[misc]
    """The requests of one connection."""

    mesg_class = Request

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        body = self.mesg.body if self.mesg else None
        if body and type(body.reader) is LengthReader and not body.reader.length and not body.failed:
            return True  # nothing of it is left
        return bool(super().finish_body(deadline, max_bytes))


class Response(HttpResponse):  # type: ignore[misc]
    """The answer to a request."""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        for each in headers:
            name, value = each
            if not (_is_plain(name) and HEADER_VALUE_RE.fullmatch(value)):
                super().process_headers([each])  # which refuses it, or knows what it means
            else:
                self.headers.append((name, value.strip(" \t")))

    def default_headers(self) -> list[str]:
        major, minor = self.req.version
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\nDate: {_date(int(time.time()))}\r\n"
            f"Connection: {connection}\r\n"
        ]
        return [*lines, "Transfer-Encoding: chunked\r\n"] if self.chunked else lines


def connection_environ(cfg: Any, channel: Any, client: Any, server: Any) -> Environ:
    """Return the WSGI environment's part that is the same for all requests of a connection."""
    return {
        "wsgi.errors": WSGIErrorsWrapper(cfg),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": cfg.workers > 1,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": "http",
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "SCRIPT_NAME": "",
        "gunicorn.socket": channel,
    }


@functools.lru_cache(4)
def _defaults(cfg: Any) -> dict[str, Any]:
    """Return what gunicorn sets before it parses a request, the same for all of them."""
    values: dict[str, Any] = vars(HttpRequest(cfg, IterUnreader([b"GET / HTTP/1.1\r\n\r\n"]), ("", 0)))
    limits = [LONGEST_REMEMBERED, *([cfg.limit_request_line] if cfg.limit_request_line else [])]
    return values | {"longest_remembered": 0 if cfg.proxy_protocol != "off" else min(limits)}


@functools.lru_cache(REMEMBERED)
def _parse_line(cfg: Any, line: bytes) -> tuple[dict[str, Any], Environ]:
    """Return what a request line says, as the request's attributes and as the environment has it. Raise gunicorn's
    errors."""
    request = object.__new__(Request)
    request.cfg = cfg
    request.parse_request_line(line)
    return {name: value for name, value in vars(request).items() if name != "cfg"}, _line_fields(request)


@functools.lru_cache(REMEMBERED)
def _parse_block(cfg: Any, version: tuple[int, int], block: bytes) -> tuple[list[tuple[str, str]], bool, Environ]:
    """Return the headers, whether the client expects 100 Continue, and the environment's part. Raise gunicorn's
    errors."""
    request = object.__new__(Request)
    request.__dict__.update(_defaults(cfg) | {"version": version})
    headers = request.parse_headers(block)
    return headers, request._expected_100_continue, _block_fields(headers)


def _line_fields(request: Request) -> Environ:
    major, minor = request.version
    return {
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query,
        "RAW_URI": request.uri,
        "SERVER_PROTOCOL": f"HTTP/{major}.{minor}",
        "PATH_INFO": util.unquote_to_wsgi_str(request.path),
    }


def _block_fields(headers: list[tuple[str, str]]) -> Environ:
    fields: Environ = {}
    for name, value in headers:
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
            value = f"{fields[key]},{value}" if key in fields else value
        fields[key] = value
    return fields


@functools.lru_cache(REMEMBERED)
def _is_plain(name: str) -> bool:
    """Return whether a header has a valid name, and means nothing to the server."""
    return TOKEN_RE.fullmatch(name) is not None and name.lower() != "content-length" and not util.is_hoppish(name)


@functools.lru_cache(1)
def _date(second: int) -> str:
    return str(util.http_date(second))
