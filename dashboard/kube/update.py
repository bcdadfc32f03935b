"""One named object of the cluster, changed by compare-and-swap: what another wrote meanwhile is never overwritten."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from dashboard.core.errors import ExternalError, NotFound
from dashboard.kube.client import Forbidden, KubeClient, KubeError, KubeStatusError

READ_SECONDS = 5.0  # for an answer to begin: a run waits for it
TRIES = 5  # of a change that others get ahead of

Json = dict[str, Any]
Change = Callable[[Json], None]  # changes the object that it is given, or raises what keeps it from that


class SharedObject:
    """`api` makes a client that waits so many seconds for an answer; `what` is the object's name in words."""

    def __init__(self, api: Callable[[float], KubeClient], path: str, what: str) -> None:
        self._api = api
        self._path = path
        self._what = what

    def read(self) -> Json:
        with contextlib.closing(self._api(READ_SECONDS)) as api, telling(f"read {self._what}"):
            return self._get(api)

    def swap(self, change: Change) -> Json:
        """Reads it, changes it and puts it back, anew if it was changed by another meanwhile; what it is then.

        An update that got no answer may have been made: whoever needs to know reads it again.
        """
        with contextlib.closing(self._api(READ_SECONDS)) as api, telling(f"change {self._what}"):
            for _ in range(TRIES):
                found = self._get(api)
                change(found)
                try:
                    changed: Json = msgspec.json.decode(api.put(self._path, found))
                    return changed
                except KubeStatusError as refused:
                    if refused.status != 409:
                        raise
        raise ExternalError(f"The dashboard could not change {self._what}: others change it at the same time.")

    def _get(self, api: KubeClient) -> Json:
        try:
            found: Json = msgspec.json.decode(api.get(self._path))
            return found
        except KubeStatusError as refused:
            if refused.status != 404:
                raise
            words = f"There is no {self._what.removeprefix('the ')} in the cluster: apply the manifests again."
            raise NotFound(words) from refused


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """The API's errors as a sentence that says what the dashboard wanted to do."""
    try:
        yield
    except Forbidden as error:
        raise ExternalError(f"The dashboard may not {what}: the API server says {error}.") from error
    except KubeError as error:
        raise ExternalError(f"The dashboard could not {what}: {error}.") from error
    except msgspec.DecodeError as error:
        raise ExternalError(f"The dashboard could not {what}: the API server's answer can't be read.") from error
