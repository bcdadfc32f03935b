"""The other dashboards of the namespace. A run is one dashboard's; the others ask that one about it, by its pod's
address, with the tokens that all of them share."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from dashboard.core.errors import ExternalError
from dashboard.dataservice.http_client import HttpAnswer, HttpClient
from dashboard.dataservice.protocol import DataServiceError
from dashboard.runs.records.record import is_run

ANSWER_SECONDS = 2.0
AT_ONCE = 4  # requests: a page's own wait for these

Json = dict[str, Any]


class PeerUnavailable(ExternalError):
    """Another dashboard did not do what it was asked."""


class PeerDashboards:
    """Implements `runs.ports.Peers`. `address` returns a dashboard's URL by its pod's name, None if there is none."""

    def __init__(self, address: Callable[[str], str | None], viewer_token: str, operator_token: str) -> None:
        self._address = address
        self._viewer_token = viewer_token
        self._operator_token = operator_token
        self._http = HttpClient(ANSWER_SECONDS, AT_ONCE)

    def run(self, dashboard: str, id_: str) -> Json | None:
        try:
            answer = self._ask("GET", dashboard, id_, self._viewer_token)
            found: Any = msgspec.json.decode(answer.body) if answer.status == 200 else None
        except (PeerUnavailable, msgspec.DecodeError, RecursionError):
            return None
        return found if is_run(found) and found["id"] == id_ else None

    def abort(self, dashboard: str, id_: str) -> None:
        answer = self._ask("DELETE", dashboard, id_, self._operator_token)
        if answer.status != 202:
            raise PeerUnavailable(f"{dashboard}, which has this run, did not abort it: status {answer.status}.")

    def _ask(self, method: str, dashboard: str, id_: str, token: str) -> HttpAnswer:
        url = self._address(dashboard)
        if url is None:
            raise PeerUnavailable(f"{dashboard}, which has this run, has no address now.")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            return self._http.request(method, f"{url}/api/runs/{quote(id_, safe='')}", headers)
        except DataServiceError:
            raise PeerUnavailable(f"{dashboard}, which has this run, does not answer.") from None
