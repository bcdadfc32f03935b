"""Asks the `crash` container of the database's pod to kill mongod, where there is one."""

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from dashboard.core.errors import ExternalError, UidMismatch

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0  # longer than it waits for the process to be gone
LARGEST_ANSWER = 4096  # bytes that are read of it
WORDS = 200  # characters of its own words


class CrashClient:
    """`port` is the container's, `token` the one that it shares with the dashboard."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)

    def kill(self, address: str, uid: str) -> None:
        """SIGKILL for the mongod of the pod with this address and this uid. Asked once: a second time could kill the
        one that came in its place."""
        host = f"[{address}]" if ":" in address else address
        headers = {"Authorization": f"Bearer {self._token}", "Connection": "close"}
        try:
            with urllib3.PoolManager(retries=False, timeout=self._timeout) as http:
                answer = http.request(
                    "POST", f"http://{host}:{self._port}/crash", json={"uid": uid}, headers=headers,
                    redirect=False, preload_content=False,
                )  # fmt: skip
                body = answer.read(LARGEST_ANSWER)
        except (NewConnectionError, ConnectTimeoutError):
            raise ExternalError(f"There is no crash container at port {self._port} of the database's pod.") from None
        except (HTTPError, OSError):
            raise ExternalError("The crash container gave no answer: mongod was killed, or not.") from None
        if answer.status == 412:
            raise UidMismatch("The database's pod is another one now.")
        if answer.status == 401:
            raise ExternalError("The crash container expects another token: apply the manifests again.")
        if answer.status != 200:
            words = body.decode(errors="replace")[:WORDS]
            raise ExternalError(f"The crash container did not kill mongod: it answered {answer.status} {words}")
