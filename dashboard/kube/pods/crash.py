"""The client of the optional `crash` container in the database's pod, which kills mongod."""

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from dashboard.core.errors import ExternalError, UidMismatch

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0  # longer than the container waits for the process to end
LARGEST_ANSWER = 4096  # bytes
MESSAGE_LENGTH = 200  # characters of the container's message


class CrashClient:
    """A client for the crash container at `port`. `token` is shared with the dashboard."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)

    def kill(self, address: str, uid: str) -> None:
        """Kill (SIGKILL) the mongod of the pod with this address and uid.

        The request is never repeated: it could kill the mongod that was started in the meantime.
        """
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
            raise ExternalError("The crash container did not answer: mongod may have been killed, or not.") from None
        if answer.status == 412:
            raise UidMismatch("The database's pod was replaced.")
        if answer.status == 401:
            raise ExternalError("The crash container expects another token: apply the manifests again.")
        if answer.status != 200:
            message = body.decode(errors="replace")[:MESSAGE_LENGTH]
            raise ExternalError(f"The crash container did not kill mongod: it answered {answer.status} {message}")
