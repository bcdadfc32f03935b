"""Updates of one Kubernetes object with optimistic concurrency: read, change, replace, and retry on a conflict."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from dashboard.core.errors import ExternalError, NotFound
from dashboard.kube.client import DECODE_ERRORS, JSON, Forbidden, KubeClient, KubeError, KubeStatusError

READ_SECONDS = 5.0  # until a response begins: a run waits for it
METADATA = f"{JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io, {JSON}"  # a server that can't, sends the whole object
TRIES = 5  # attempts of an update in case of conflicts

Json = dict[str, Any]
Change = Callable[[Json], None]  # changes the given object in place, or raises an error that cancels the update


class SharedObject:
    """An object that several dashboards update.

    `api` makes a client with a read timeout in seconds; `what` names the object in error messages.
    """

    def __init__(self, api: Callable[[float], KubeClient], path: str, what: str) -> None:
        self._api = api
        self._path = path
        self._what = what

    def read(self) -> Json:
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_update_errors(f"read {self._what}"):
            return self._get(api)

    def read_metadata(self) -> Json:
        """Return the object without all but its `metadata`: it may be large."""
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_update_errors(f"read {self._what}"):
            return self._get(api, METADATA)

    def update(self, change: Change) -> Json:
        """Read, change and replace the object, again if another client changed it meanwhile. Return the new object.

        After an error without a response, the update may have been made: read the object again to find out.
        """
        with contextlib.closing(self._api(READ_SECONDS)) as api, translate_update_errors(f"change {self._what}"):
            for _ in range(TRIES):
                found = self._get(api)
                change(found)
                try:
                    changed: Json = msgspec.json.decode(api.put(self._path, found))
                    return changed
                except KubeStatusError as error:
                    if error.status != 409:
                        raise
        raise ExternalError(f"The dashboard could not change {self._what}: other clients keep changing it.")

    def _get(self, api: KubeClient, accept: str = JSON) -> Json:
        try:
            found: Json = msgspec.json.decode(api.get_as(accept, self._path))
            return found
        except KubeStatusError as error:
            if error.status != 404:
                raise
            message = f"There is no {self._what.removeprefix('the ')} in the cluster: apply the manifests again."
            raise NotFound(message) from error


@contextlib.contextmanager
def translate_update_errors(action: str) -> Iterator[None]:
    """Raise the API's errors as ExternalErrors that name the failed action ("read the Lease …")."""
    try:
        yield
    except Forbidden as error:
        raise ExternalError(f"The dashboard may not {action}: the API server says {error}.") from error
    except KubeError as error:
        raise ExternalError(f"The dashboard could not {action}: {error}.") from error
    except DECODE_ERRORS as error:
        raise ExternalError(f"The dashboard could not {action}: the API server's response is invalid.") from error
