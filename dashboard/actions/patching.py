"""Patches of an object as it was read, made again while other clients change it in between."""

from collections.abc import Callable
from typing import Any

from dashboard.core.errors import ExternalError
from dashboard.kube.objects.control import VersionConflict

TRIES = 5  # an object's status changes all the time, and with it the resourceVersion

Json = dict[str, Any]
Plan = Callable[[Json], list[Json]]  # the patch of an object


def patched(
    read: Callable[[], Json], plan: Plan, patch: Callable[[Json, list[Json]], Json], failure: str
) -> tuple[Json, Json]:
    """Read the object and patch it as planned. Return it before and after.

    `patch` raises VersionConflict if the object has changed since it was read: then it is read and planned again. After
    TRIES, raise ExternalError with `failure`.
    """
    for _ in range(TRIES):
        before = read()
        try:
            return before, patch(before, plan(before))
        except VersionConflict:
            continue
    raise ExternalError(failure)
