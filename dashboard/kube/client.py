"""The client of the Kubernetes API: the only importer of `kubernetes`, used for its transport and authentication.

Every wait has a deadline. TCP detects a lost peer within LOST_SECONDS; a response must begin within `read_seconds` and
be complete within LONGEST_ANSWER_SECONDS; a stream has the timeout that its reader sets. Responses and lines have a
maximum size.
"""

import contextlib
import re
import socket
import time
from collections import Counter
from collections.abc import Generator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import urllib3
from kubernetes import config as kubernetes_config
from kubernetes.client import ApiClient, ApiException
from kubernetes.client import Configuration as Configuration  # re-exported
from kubernetes.config import incluster_config

from dashboard.core import objects
from dashboard.core.lines import LineSplitter, LineTooLong
from webserver.environment import ConfigError

ERROR_LENGTH = 200  # characters of an external error message that are shown
MESSAGE_LENGTH = 2_000  # that are kept: names of 253 characters may stand before what a caller looks for
CONNECT_SECONDS = 2.0  # for the TCP connection (the second SYN goes after 1 s), and for each step of the TLS handshake
ANSWER_SECONDS = 10.0  # until a response begins, and between two parts of it
LONGEST_ANSWER_SECONDS = 30.0
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"  # RFC 6902
LOST_SECONDS = 5  # a connection whose peer's kernel is silent for this long is dead
LARGEST_ANSWER = 64 << 20  # bytes of one page of a list
LARGEST_LINE = 8 << 20  # bytes: an object has at most 1.5 MB in etcd, in a denser encoding than JSON
READ_BYTES = 1 << 16
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what decoding any bytes may raise
DONE = (200, 201, 202)  # read or changed, created, deletion accepted

Content = dict[str, Any] | list[dict[str, Any]]  # an object, or the operations of a JSON Patch

# The first keep-alive probe goes after 2 s of silence, then one a second. With TCP_USER_TIMEOUT, the kernel closes the
# connection when nothing (a probe, a request or a SYN) was acknowledged for that long; it does not count probes.
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, LOST_SECONDS - 2),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_SECONDS * 1000),
]


class KubeError(Exception):
    """A failed request to the API server.

    KubeError
    ├── Unreachable          no response, or an incomplete one
    ├── KubeStatusError      a status that is not 2xx
    │   ├── Forbidden        401 or 403: the ServiceAccount lacks the permission
    │   └── Gone             410: the resourceVersion or the continue token has expired
    └── InvalidAnswer        a response that is malformed or too large
    """

    outcome = "failed"  # the label in /metrics


class Unreachable(KubeError):
    outcome = "unreachable"


class KubeStatusError(KubeError):
    """`status` is the HTTP status, `message` the API's own message, which may be empty.

    `retry_after` are the seconds of the Retry-After header, 0 without one.
    """

    outcome = "refused"

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{status}: {message[:ERROR_LENGTH] or _phrase(status)}")
        self.status = status
        self.message = message[:MESSAGE_LENGTH]
        self.retry_after = retry_after


class Forbidden(KubeStatusError):
    outcome = "forbidden"


class Gone(KubeStatusError):
    outcome = "gone"


class InvalidAnswer(KubeError):
    outcome = "garbled"


def decoded(decoder: Any, data: bytes | msgspec.Raw) -> Any:
    """Decode the API server's bytes with a msgspec decoder. Raise InvalidAnswer."""
    try:
        return decoder.decode(data)
    except DECODE_ERRORS as error:
        reason = _PATTERN.sub("of another form", str(error))[:ERROR_LENGTH]
        raise InvalidAnswer(f"the API server's response can't be read: {reason}") from error


_PATTERN = re.compile(r"matching regex '.*'")  # in msgspec's message, where it says nothing to a person


def object_path(namespace: str, resource: str, name: str = "") -> str:
    """Return the path of one object, or of all objects, of a resource in the core API group."""
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}"
    return f"{path}/{quote(name, safe='')}" if name else path


def connection(kubeconfig: str | None) -> Configuration:
    """Return the API's address and credentials, from the kubeconfig or the pod's ServiceAccount.

    Raise ConfigError if there is neither.
    """
    configuration = Configuration()
    try:
        if kubeconfig:
            kubernetes_config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            configuration.refresh_api_key_hook = _read_token  # type: ignore[assignment]
    except kubernetes_config.ConfigException as error:
        hint = "" if kubeconfig else " Outside a cluster, set KUBECONFIG."
        raise ConfigError(f"The cluster can't be found: {error}{hint}") from error
    return configuration


def _read_token(configuration: Configuration) -> None:
    """Read the token anew for each request. The kubelet renews the file; the client's own hook rereads it only once a
    minute, and might send an expired token until then."""
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME).read_text().strip()
    configuration.api_key["BearerToken"] = f"Bearer {token}"


class RequestCounter:
    """Counts requests to the API server, for /metrics. Each kind has one thread."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()  # (kind, "ok" or an error's outcome) → requests
        self.watches: Counter[str] = Counter()  # kind → open watches


class KubeClient:
    """A client for one thread: an ApiClient is not thread-safe. `kind` is the label of its requests in /metrics."""

    def __init__(
        self,
        configuration: Configuration,
        read_seconds: float = ANSWER_SECONDS,
        *,
        kind: str = "",
        requests: RequestCounter | None = None,
    ) -> None:
        configuration.retries = False  # otherwise urllib3 retries three times without a pause
        configuration.socket_options = SOCKET_OPTIONS
        self._client = ApiClient(configuration)
        self._read_seconds = read_seconds
        self._kind = kind
        self._requests = requests
        self._streaming: urllib3.BaseHTTPResponse | None = None
        self._stream_closed = False
        self._interrupted = False

    def get(self, path: str, **query: str | int) -> bytes:
        """Return the response's body. The request is counted once the body is complete."""
        return self._complete("GET", path, query)

    def get_as(self, accept: str, path: str) -> bytes:
        """Return the response's body, of this media type."""
        return self._complete("GET", path, {}, accept=accept)

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        """Create an object. Return the response's body.

        No request is sent twice: after a change without a response, the caller must check whether it was made.
        """
        return self._complete("POST", path, {}, body)

    def put(self, path: str, body: dict[str, Any]) -> bytes:
        """Replace the object if its resourceVersion is still the body's."""
        return self._complete("PUT", path, {}, body)

    def patch(self, path: str, operations: list[dict[str, Any]], **query: str | int) -> bytes:
        """Change the object by a JSON Patch. Return the response's body."""
        return self._complete("PATCH", path, query, operations)

    def delete(self, path: str, body: dict[str, Any]) -> bytes:
        """Delete the object. The body has the DeleteOptions."""
        return self._complete("DELETE", path, {}, body)

    def _complete(
        self,
        method: str,
        path: str,
        query: dict[str, str | int],
        content: Content | None = None,
        accept: str = JSON,
    ) -> bytes:
        deadline = time.monotonic() + LONGEST_ANSWER_SECONDS
        with self._counted():
            response = self._request(method, path, query, content, accept)
            body = bytearray()
            with _translate_client_errors(), contextlib.closing(response):
                while data := response.read1(READ_BYTES):
                    body += data
                    if len(body) > LARGEST_ANSWER:
                        raise InvalidAnswer(f"the API server's response is longer than {LARGEST_ANSWER >> 20} MiB")
                    if time.monotonic() > deadline:
                        raise Unreachable("the API server did not complete its response in time")
            return bytes(body)

    def lines(self, path: str, silence: float, **query: str | int) -> Generator[bytes]:
        """Return a watch's lines as they arrive, until the server ends it or is silent for `silence` seconds.

        The request is made at once; its errors are raised here.
        """
        response = self._stream(path, query, silence)
        return self._lines(response)

    def pieces(self, path: str, **query: str | int) -> Generator[bytes]:
        """Return a body as it arrives. It may be silent for any time, as a log is; SOCKET_OPTIONS detect a dead peer.

        Only the begin of the response has a deadline. The request is made at once; its errors are raised here.
        """
        return self._pieces(self._stream(path, query, None))

    def close_stream(self) -> None:
        """End the stream that another thread reads, if any, as if the server had ended it."""
        self._stream_closed = True
        if streaming := self._streaming:
            with contextlib.suppress(Exception):  # the other thread may be closing it right now
                streaming.shutdown()

    def interrupt(self) -> None:
        """End the stream that another thread reads, and every later one."""
        self._interrupted = True
        self.close_stream()

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _stream(self, path: str, query: dict[str, str | int], silence: float | None) -> urllib3.BaseHTTPResponse:
        self._stream_closed = False
        with self._counted():
            self._streaming = response = self._request("GET", path, query)
        # Set only now: the begin of the response has a shorter timeout than the rest.
        if connection := getattr(response.connection, "sock", None):
            connection.settimeout(silence)
        if self._interrupted:  # `interrupt` was called before the stream existed
            self.interrupt()
        return response

    def _lines(self, response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        splitter = LineSplitter(LARGEST_LINE)
        with contextlib.closing(self._pieces(response)) as pieces, self._open_watch():
            try:
                for data in pieces:
                    yield from splitter.split(data)
            except LineTooLong as error:
                raise InvalidAnswer(f"a line of the watch is longer than {LARGEST_LINE >> 20} MiB") from error

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        """Yield the data as it arrives. Unlike urllib3's stream() and readline(), read1 does not wait for more."""
        try:
            with _translate_client_errors():
                while data := response.read1(READ_BYTES):
                    yield data
        except Unreachable:
            if not self._stream_closed:
                raise
        finally:
            self._streaming = None
            response.close()

    def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str | int],
        content: Content | None = None,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept} | ({"Content-Type": JSON_PATCH if method == "PATCH" else JSON} if content else {})
        with _translate_client_errors():
            _, url, headers, *_ = self._client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params=headers,
                auth_settings=["BearerToken"],
            )
            timeout = (CONNECT_SECONDS, self._read_seconds)
            result = self._client.call_api(method, url, headers, content, _request_timeout=timeout)
            response: urllib3.BaseHTTPResponse = result.response
            if response.status not in DONE:
                with contextlib.closing(response):
                    raise status_error(response.status, response.read(READ_BYTES), response.headers.get("Retry-After"))
        return response

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        outcome = "ok"
        try:
            yield
        except KubeError as error:
            outcome = error.outcome
            raise
        finally:
            if self._requests:
                self._requests.outcomes[self._kind, outcome] += 1

    @contextlib.contextmanager
    def _open_watch(self) -> Iterator[None]:
        if not self._requests:
            yield
            return
        self._requests.watches[self._kind] += 1
        try:
            yield
        finally:
            self._requests.watches[self._kind] -= 1


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "refused"


def status_error(status: int, body: bytes, retry_after: str | None = None) -> KubeStatusError:
    """Return the error for a status, with the API's message if the body has one."""
    try:
        message = msgspec.json.decode(body, type=objects.Status).message
    except DECODE_ERRORS:
        message = ""
    kind = Gone if status == 410 else Forbidden if status in (401, 403) else KubeStatusError
    return kind(status, message, float(retry_after) if retry_after and retry_after.isdecimal() else 0.0)


@contextlib.contextmanager
def _translate_client_errors() -> Iterator[None]:
    """Raise transport errors as Unreachable."""
    try:
        yield
    except urllib3.exceptions.ReadTimeoutError as error:
        raise Unreachable("the API server did not answer in time") from error
    except (urllib3.exceptions.HTTPError, ApiException, kubernetes_config.ConfigException, OSError) as error:
        raise Unreachable(f"the API server can't be reached: {_cause(error)[:ERROR_LENGTH]}") from error


def _cause(error: Exception) -> str:
    """Return the cause in words that are the same at each attempt: urllib3's own have an object's memory address."""
    if isinstance(error, ApiException):  # the client wraps TLS errors in it
        return str(error.reason).replace("\n", ": ")
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    for each in (error, error.__cause__, *error.args):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return "no answer in time"
    return "the connection was closed"
