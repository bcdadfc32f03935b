"""Keeps the charts' points, the timeline and the audit beyond the process, in a ConfigMap of the namespace.

They are read before the hub starts, and written each SAVE_SECONDS and at the end. Before each write the saver adopts
what another dashboard has written meanwhile: the one that a roll-out replaces ends after this one has begun. So nothing
is lost between the two, and several dashboards that run on write the same history in turn. A thread of its own waits
for the API server. No failure stops the dashboard: it is logged, and damaged contents are audited and replaced.
"""

import base64
import binascii
import logging
import threading
from collections.abc import Callable

from dashboard.clock import now
from dashboard.core.errors import ExternalError
from dashboard.core.state.kept import InvalidKeptFile, Kept, decode, encode
from dashboard.kube.client import KubeClient, object_path
from dashboard.kube.update import Json, SharedObject
from dashboard.web.audit_log import AuditLog
from dashboard.web.hub import Hub

CONFIG_MAP = "dashboard-history"  # as our own manifests name it
FILE = "history.json.gz"  # the key
FIRST_SECONDS = 15.0  # after the start: the dashboard that a roll-out replaces has ended by then
SAVE_SECONDS = 60.0
STOP_SECONDS = 3.0

log = logging.getLogger(__name__)


class HistorySaver:
    """`api` makes a client with the given timeout in seconds; `name` is another one for each process."""

    def __init__(
        self,
        hub: Hub,
        audit: AuditLog,
        api: Callable[[float], KubeClient],
        namespace: str,
        name: str,
        config_map: str = CONFIG_MAP,
    ) -> None:
        self._hub = hub
        self._audit = audit
        self._name = name
        path = object_path(namespace, "configmaps", config_map)
        self._config_map = SharedObject(api, path, f"the ConfigMap {config_map}")
        self._damage: str | None = None  # the last that was audited
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Adopt what is kept, if the API server answers, and start the thread."""
        try:
            self._adopt(self._config_map.read())
        except ExternalError as error:  # the first write tries it again
            log.warning("the history from before is missing: %s", error)
        except Exception:
            log.exception("the history from before is missing")
        self._thread.start()

    def stop(self) -> None:
        """Write a last time, for up to STOP_SECONDS, and end the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def save(self) -> None:
        """Adopt what another dashboard has written, and write. Raise `ExternalError`."""
        self._config_map.update(self._put)

    def _run(self) -> None:
        seconds = FIRST_SECONDS
        while True:
            stopped = self._stopped.wait(seconds)
            try:
                self.save()
            except ExternalError as error:
                log.warning("the history is not kept: %s", error)
            except Exception:
                log.exception("the history is not kept")
            if stopped:
                return
            seconds = SAVE_SECONDS

    def _put(self, config_map: Json) -> None:
        self._adopt(config_map)
        kept = encode(self._hub.kept(self._name, self._audit.kept()))
        config_map["binaryData"] = {FILE: base64.b64encode(kept).decode()}

    def _adopt(self, config_map: Json) -> None:
        try:
            kept = _contents(config_map)
        except InvalidKeptFile as error:
            if str(error) != self._damage:
                self._damage = str(error)
                self._audit("dashboard", "read the history from before", f"failed: {error}; it begins again")
            return
        if kept and kept.by != self._name:
            self._hub.adopt(kept)
            self._audit.adopt(kept.audit, now())


def _contents(config_map: Json) -> Kept | None:
    """Return what a ConfigMap keeps, None if it is new. Raise `InvalidKeptFile`."""
    data = config_map.get("binaryData")
    if not data:
        return None
    try:
        return decode(base64.b64decode(data[FILE], validate=True))
    except (LookupError, TypeError, ValueError, binascii.Error) as error:
        raise InvalidKeptFile("the ConfigMap has other contents") from error
