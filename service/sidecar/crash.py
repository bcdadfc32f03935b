"""Kills the mongod of its own pod on request: `python -m service.sidecar.crash`, a container beside mongod.

A deleted pod gets SIGTERM, and mongod shuts down in order: that says nothing of what a crash leaves behind. This sends
SIGKILL to mongod itself. It sees it because the pod's containers share one PID namespace, and may because both run as
the same user; it needs no capability for it, and can signal nothing beyond its pod.

    POST /crash {"uid": "<the pod's>"}    with the shared token: 200 {"pid", "exe"} of what was killed
    GET  /healthz                         for the kubelet
"""

from __future__ import annotations

import hmac
import os
import signal
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NoReturn

import orjson

from service import logs
from service.config import CrashConfig
from service.sidecar.bounded_server import BoundedServer
from webserver.environment import ConfigError

VICTIM = "mongod"
PROC = Path("/proc")
CLIENT_SECONDS = 5.0  # a client that says nothing is dropped
AT_ONCE = 8  # connections
LARGEST_BODY = 1024  # bytes
END_SECONDS = 2.0  # for a killed process to be gone: the kernel has its memory to give back
POLL_SECONDS = 0.01


class CrashRefused(Exception):
    """The answer is not what was asked for; `status` says which kind of no it is."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


class Killer:
    """Kills the one mongod under `proc`; more than one, or none, is not what a pod has, and nothing is done."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc

    def kill(self) -> dict[str, Any]:
        """The pid and the program of what was killed. The process is named by a descriptor, not by its number: another
        that came to the number meanwhile is left alone."""
        found = self._find()
        if not found:
            raise CrashRefused(HTTPStatus.CONFLICT, f"No {VICTIM} runs here now.")
        if len(found) > 1:
            raise CrashRefused(HTTPStatus.CONFLICT, f"{len(found)} processes are {VICTIM}: none is killed.")
        (pid,) = found
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            raise CrashRefused(HTTPStatus.CONFLICT, f"{VICTIM} has just ended by itself.") from None
        try:
            if (exe := self._exe(pid)) is None:
                raise CrashRefused(HTTPStatus.CONFLICT, f"{VICTIM} has just ended by itself.")
            signal.pidfd_send_signal(process, signal.SIGKILL)
            self._wait(pid)
        except ProcessLookupError:
            raise CrashRefused(HTTPStatus.CONFLICT, f"{VICTIM} has just ended by itself.") from None
        except PermissionError:
            detail = f"This container may not signal {VICTIM}: both must run as the same user."
            raise CrashRefused(HTTPStatus.INTERNAL_SERVER_ERROR, detail) from None
        finally:
            os.close(process)
        return {"pid": pid, "exe": exe}

    def _find(self) -> list[int]:
        pids = (int(each.name) for each in self._proc.iterdir() if each.name.isdecimal())
        return [pid for pid in pids if self._exe(pid) is not None]

    def _exe(self, pid: int) -> str | None:
        """The program of a living process, if it is mongod; None for any other.

        Not its command line or its threads' names, which anybody may set.
        """
        try:
            exe = (self._proc / str(pid) / "exe").readlink()
        except OSError:  # gone, a zombie, or another user's
            return None
        return str(exe) if exe.name == VICTIM else None

    def _wait(self, pid: int) -> None:
        """Wait until the process has exited, so that the requester can observe the kill."""
        end = time.monotonic() + END_SECONDS
        while self._exe(pid) is not None and time.monotonic() < end:
            time.sleep(POLL_SECONDS)


class KillServer(BoundedServer):
    def __init__(self, config: CrashConfig, killer: Killer | None = None) -> None:
        self.config = config
        self.killer = killer or Killer()
        self.kill_lock = threading.Lock()  # of two requests at once, the second finds nothing to kill
        super().__init__((config.host, config.port), KillHandler, AT_ONCE)


class KillHandler(BaseHTTPRequestHandler):
    timeout = CLIENT_SECONDS
    protocol_version = "HTTP/1.0"
    server: KillServer

    def do_GET(self) -> None:
        self._answer_to({"/healthz": self._healthy, "/crash": self._only_post})

    def do_POST(self) -> None:
        self._answer_to({"/crash": self._crash, "/healthz": self._only_get})

    def do_PUT(self) -> None:
        self._answer_to({"/crash": self._only_post, "/healthz": self._only_get})

    do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_PUT

    def _answer_to(self, routes: dict[str, Any]) -> None:
        try:
            route = routes.get(self.path.partition("?")[0])
            if route is None:
                raise CrashRefused(HTTPStatus.NOT_FOUND, "There is nothing here but POST /crash.")
            self._send(HTTPStatus.OK, "application/json", route())
        except CrashRefused as refused:
            status = refused.status
            problem = {"type": "about:blank", "title": status.phrase, "status": status, "detail": str(refused)}
            self._send(status, "application/problem+json", problem, refused.headers)

    def _healthy(self) -> dict[str, Any]:
        return {"status": "ok"}

    def _only_get(self) -> NoReturn:
        raise CrashRefused(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is understood here.", Allow="GET")

    def _only_post(self) -> NoReturn:
        raise CrashRefused(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST is understood here.", Allow="POST")

    def _crash(self) -> dict[str, Any]:
        """Kill mongod, if the token is right and the uid is this pod's: its address may have been another's."""
        self._authorize()
        meant = self._body().get("uid")
        if meant != self.server.config.pod_uid:
            raise CrashRefused(HTTPStatus.PRECONDITION_FAILED, "The uid is not this pod's: the pod was replaced.")
        with self.server.kill_lock:
            killed = self.server.killer.kill()
        logs.write("killed", **killed, client=self.client_address[0])
        return killed

    def _authorize(self) -> None:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        known = self.server.config.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), known):
            logs.write("refused", client=self.client_address[0])
            detail = "The token is missing, or not the right one."
            raise CrashRefused(HTTPStatus.UNAUTHORIZED, detail, **{"WWW-Authenticate": "Bearer"})

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise CrashRefused(HTTPStatus.LENGTH_REQUIRED, "The body needs a Content-Length.")
        if len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY:
            raise CrashRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body must not exceed {LARGEST_BODY:,} bytes.")
        try:
            body = orjson.loads(self.rfile.read(int(length)))
        except (orjson.JSONDecodeError, TimeoutError):
            body = None
        if not isinstance(body, dict):
            raise CrashRefused(HTTPStatus.BAD_REQUEST, 'The body must be a JSON object: {"uid": "<the pod\'s>"}.')
        return body

    def _send(
        self, status: HTTPStatus, content_type: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        data = orjson.dumps(body)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds and say nothing new; what is killed and refused is logged where it is done."""


def main() -> None:
    """Runs until SIGTERM, which ends it at once: it holds nothing."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        server = KillServer(CrashConfig.from_environment())
    except ConfigError as error:
        raise SystemExit(f"crash: {error}") from None
    except OSError as error:
        raise SystemExit(f"crash: its port can't be opened: {error}") from None
    logs.write("listening", port=server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
