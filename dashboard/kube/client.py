"""Requests to the Kubernetes API: the only importer of `kubernetes`, used for its transport and authentication alone.

Nothing here waits without bound. A peer that is gone without a word is noticed by TCP in LOST_SECONDS; an answer has
to begin within its `read_seconds` and to be there within LONGEST_ANSWER_SECONDS; a stream may be silent for as long as
its reader says. No answer and no line is longer than its limit.
"""

import contextlib
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
from kubernetes.client import Configuration as Configuration  # for those who pass it on
from kubernetes.config import incluster_config

from dashboard.config import ConfigError
from dashboard.core import objects

ERROR_LENGTH = 200  # characters of a foreign error that are passed on
CONNECT_SECONDS = 2.0  # twice: for TCP, whose second SYN goes after one second, and for each step of the TLS handshake
ANSWER_SECONDS = 10.0  # for an answer to begin, and between two parts of it
LONGEST_ANSWER_SECONDS = 30.0
LOST_SECONDS = 5  # a connection whose peer's kernel is silent for so long is dead
LARGEST_ANSWER = 64 << 20  # bytes of one page of a list
LARGEST_LINE = 8 << 20  # bytes: etcd holds 1.5 MB of an object, in an encoding that is tighter than JSON
READ_BYTES = 1 << 16
DONE = (200, 201, 202)  # found or changed, created, and a deletion that takes its time

# The first probe goes after 2 s of silence, then one a second. With a user timeout TCP does not count probes: it gives
# up when nothing was acknowledged for that long, be it a probe, a request or a SYN.
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, LOST_SECONDS - 2),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_SECONDS * 1000),
]


class KubeError(Exception):
    """The API server did not give what was asked for.

    KubeError
    ├── Unreachable   no answer, or one that broke off
    ├── KubeStatusError       a status that is not 2xx
    │   ├── Forbidden     401 or 403: the ServiceAccount may not
    │   └── Gone          410: the resourceVersion or the continue token is too old
    └── InvalidAnswer       an answer that is not what the API documents, or larger than it can be
    """

    outcome = "failed"  # the word for it in /metrics


class Unreachable(KubeError):
    outcome = "unreachable"


class KubeStatusError(KubeError):
    """`status` is the HTTP status, `words` the API's own message, which may be empty.

    `wait` are the seconds after which the server says that it may be asked again; 0 where it says nothing.
    """

    outcome = "refused"

    def __init__(self, status: int, words: str, wait: float = 0.0) -> None:
        words = words[:ERROR_LENGTH]
        super().__init__(f"{status}: {words or _phrase(status)}")
        self.status = status
        self.words = words
        self.wait = wait


class Forbidden(KubeStatusError):
    outcome = "forbidden"


class Gone(KubeStatusError):
    outcome = "gone"


class InvalidAnswer(KubeError):
    outcome = "garbled"


def object_path(namespace: str, resource: str, name: str = "") -> str:
    """The path of an object, or of all objects, of a resource in the core API group."""
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}"
    return f"{path}/{quote(name, safe='')}" if name else path


def connection(kubeconfig: str | None) -> Configuration:
    """How to reach the API: by the kubeconfig, or as the pod's ServiceAccount. ConfigError when there is neither."""
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
    """The token as it is now, for each request: the kubelet renews the file, and the client's own hook looks at it
    once a minute, for which an expired one would be refused."""
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME).read_text().strip()
    configuration.api_key["BearerToken"] = f"Bearer {token}"


class RequestCounter:
    """What was asked of the API server, for /metrics. Each kind is counted by its one thread."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()  # (kind, "ok" or an error's outcome) → requests
        self.watches: Counter[str] = Counter()  # kind → watches that are open


class KubeClient:
    """For one thread: an ApiClient is not to be shared. `kind` is what its requests are counted as."""

    def __init__(
        self,
        configuration: Configuration,
        read_seconds: float = ANSWER_SECONDS,
        *,
        kind: str = "",
        requests: RequestCounter | None = None,
    ) -> None:
        configuration.retries = False  # urllib3 would try three times more, at once
        configuration.socket_options = SOCKET_OPTIONS
        self._client = ApiClient(configuration)
        self._read_seconds = read_seconds
        self._kind = kind
        self._requests = requests
        self._streaming: urllib3.BaseHTTPResponse | None = None
        self._hung_up = False
        self._interrupted = False

    def get(self, path: str, **query: str | int) -> bytes:
        """The answer's body. It is counted when it is here whole."""
        return self._whole("GET", path, query)

    def post(self, path: str, body: dict[str, Any]) -> bytes:
        """Creates what the body says; the answer's body. Nothing here is sent twice: whether a change that got no
        answer was made, the caller has to look."""
        return self._whole("POST", path, {}, body)

    def put(self, path: str, body: dict[str, Any]) -> bytes:
        """Puts the body in the object's place, if it still has the resourceVersion that the body carries."""
        return self._whole("PUT", path, {}, body)

    def delete(self, path: str, body: dict[str, Any]) -> bytes:
        """Deletes the object. The body are DeleteOptions."""
        return self._whole("DELETE", path, {}, body)

    def _whole(
        self, method: str, path: str, query: dict[str, str | int], content: dict[str, Any] | None = None
    ) -> bytes:
        until = time.monotonic() + LONGEST_ANSWER_SECONDS
        with self._counted():
            response = self._request(method, path, query, content)
            body = bytearray()
            with _named_errors(), contextlib.closing(response):
                while data := response.read1(READ_BYTES):
                    body += data
                    if len(body) > LARGEST_ANSWER:
                        raise InvalidAnswer(f"the API server's answer is longer than {LARGEST_ANSWER >> 20} MiB")
                    if time.monotonic() > until:
                        raise Unreachable("the API server's answer does not come to its end")
            return bytes(body)

    def lines(self, path: str, silence: float, **query: str | int) -> Generator[bytes]:
        """A watch's lines, each as soon as it is here, until the server ends it or says nothing for `silence` seconds.

        The request is made at once, and its refusal raised here.
        """
        response = self._stream(path, query, silence)
        return self._lines(response)

    def pieces(self, path: str, **query: str | int) -> Generator[bytes]:
        """A body as it comes, however long it is silent: a log may be, and a dead peer is noticed by SOCKET_OPTIONS.

        Only the answer's beginning has a deadline. The request is made at once, and its refusal raised here.
        """
        return self._pieces(self._stream(path, query, None))

    def hang_up(self) -> None:
        """Ends the stream that another thread reads, if there is one, as if the server had ended it."""
        self._hung_up = True
        if streaming := self._streaming:
            with contextlib.suppress(Exception):  # it may be closed at this very moment
                streaming.shutdown()

    def interrupt(self) -> None:
        """Ends a read that waits in another thread, and every later one."""
        self._interrupted = True
        self.hang_up()

    def close(self) -> None:
        """Lets go of the connections that are kept for the next request."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _stream(self, path: str, query: dict[str, str | int], silence: float | None) -> urllib3.BaseHTTPResponse:
        self._hung_up = False
        with self._counted():
            self._streaming = response = self._request("GET", path, query)
        # Known only now: the answer's beginning has a shorter deadline than what follows.
        if connected := getattr(response.connection, "sock", None):
            connected.settimeout(silence)
        if self._interrupted:  # before there was anything to interrupt
            self.interrupt()
        return response

    def _lines(self, response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        rest = bytearray()
        with contextlib.closing(self._pieces(response)) as pieces, self._open_watch():
            for data in pieces:
                searched = len(rest)
                rest += data
                while (end := rest.find(b"\n", searched)) >= 0:
                    yield bytes(rest[:end])
                    del rest[: end + 1]
                    searched = 0
                if len(rest) > LARGEST_LINE:
                    raise InvalidAnswer(f"a line of the watch is longer than {LARGEST_LINE >> 20} MiB")

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        """read1 gives what has come and waits for nothing more; urllib3's stream() and readline() would."""
        try:
            with _named_errors():
                while data := response.read1(READ_BYTES):
                    yield data
        except Unreachable:
            if not self._hung_up:
                raise
        finally:
            self._streaming = None
            response.close()

    def _request(
        self, method: str, path: str, query: dict[str, str | int], content: dict[str, Any] | None = None
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if content else {})
        with _named_errors():
            _, url, headers, *_ = self._client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params=headers,
                auth_settings=["BearerToken"],
            )
            timeout = (CONNECT_SECONDS, self._read_seconds)
            answer = self._client.call_api(method, url, headers, content, _request_timeout=timeout)
            response: urllib3.BaseHTTPResponse = answer.response
            if response.status not in DONE:
                with contextlib.closing(response):
                    raise refusal(response.status, response.read(READ_BYTES), response.headers.get("Retry-After"))
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


def refusal(status: int, body: bytes, retry_after: str | None = None) -> KubeStatusError:
    """The error for a status, with the API's own message where it gave one."""
    try:
        message = msgspec.json.decode(body, type=objects.Status).message
    except (msgspec.DecodeError, RecursionError):
        message = ""
    kind = Gone if status == 410 else Forbidden if status in (401, 403) else KubeStatusError
    return kind(status, message, float(retry_after) if retry_after and retry_after.isdecimal() else 0.0)


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Outside failures as this module's own."""
    try:
        yield
    except urllib3.exceptions.ReadTimeoutError as error:
        raise Unreachable("the API server gives no answer in time") from error
    except (urllib3.exceptions.HTTPError, ApiException, kubernetes_config.ConfigException, OSError) as error:
        raise Unreachable(f"the API server can't be reached: {_cause(error)[:ERROR_LENGTH]}") from error


def _cause(error: Exception) -> str:
    """What went wrong, in words that are the same at each try: an object's address in them would be news each time."""
    if isinstance(error, ApiException):  # the client hides TLS errors in one
        return str(error.reason).replace("\n", ": ")
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    for each in (error, error.__cause__, *error.args):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return "no answer in time"
    return "the connection broke off"
