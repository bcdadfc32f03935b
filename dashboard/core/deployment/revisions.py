"""The differences between two revisions of a Deployment, in words and as a diff of their YAML. Pure.

The templates are as the Deployment had them: without the label that a ReplicaSet adds.
"""

import difflib
from collections.abc import Iterator
from typing import Any

from dashboard.core.deployment.differences import LONGEST, MOST, differences
from dashboard.core.text import plain

REVISION = "deployment.kubernetes.io/revision"  # the annotation with its number
RESTARTED = "kubectl.kubernetes.io/restartedAt"  # as `kubectl rollout restart` sets it
CONTAINERS = {"initContainers": "init container", "containers": "container"}
LONGEST_NUMBER = 15  # digits: a browser rounds larger numbers
IN_WORDS = ("image", "env", "resources")  # of a container; the rest is told by its path

Json = dict[str, Any]


def number_of(object_: Json) -> int | None:
    """Return the number of a Deployment's or a ReplicaSet's revision, None without one that JSON can carry exactly."""
    text = (object_["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def words(before: Json, after: Json) -> list[str]:
    """Return the differences of two pod templates as sentences without an end: "image of flask: a → b"."""
    found = [*_containers(before, after), *differences(_rest(before), _rest(after))]
    if _restarted(before) != _restarted(after):
        found.append("the restart time changed" if found else "only the restart time changed")
    more = len(found) - MOST
    return [*found[:MOST], f"and {more} more"] if more > 0 else found


def unified(before: str, after: str, names: tuple[str, str]) -> str:
    """Return the unified diff of two texts; "" if they are equal."""
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm=""))


def _containers(before: Json, after: Json) -> Iterator[str]:
    for field, noun in CONTAINERS.items():
        was, now = (_by_name((one.get("spec") or {}).get(field)) for one in (before, after))
        yield from (f"{noun} {_text(name)} added" for name in now if name not in was)
        yield from (f"{noun} {_text(name)} removed" for name in was if name not in now)
        for name in was:
            if name in now:
                yield from _container(_text(name), was[name], now[name])


def _container(name: str, was: Json, now: Json) -> Iterator[str]:
    if was.get("image") != now.get("image"):
        yield f"image of {name}: {_text(was.get('image'))} → {_text(now.get('image'))}"
    yield from _env(name, _by_name(was.get("env")), _by_name(now.get("env")))
    for kind in ("requests", "limits"):
        amounts, later = ((one.get("resources") or {}).get(kind) or {} for one in (was, now))
        for resource in sorted(amounts.keys() | later.keys()):
            if amounts.get(resource) != later.get(resource):
                yield (
                    f"{kind} {_text(resource)} of {name}: {_text(amounts.get(resource))} → {_text(later.get(resource))}"
                )
    rest, later_rest = ({key: one[key] for key in one if key not in IN_WORDS} for one in (was, now))
    yield from (f"of {name}: {each}" for each in differences(rest, later_rest))
    other, later_other = (
        {key: value for key, value in (one.get("resources") or {}).items() if key not in ("requests", "limits")}
        for one in (was, now)
    )
    yield from (f"of {name}: resources.{each}" for each in differences(other, later_other))


def _env(container: str, was: dict[str, Json], now: dict[str, Json]) -> Iterator[str]:
    """Yield what differs of the variables, by their names only: a value may be long."""
    for names, word in ((now.keys() - was.keys(), "added"), (was.keys() - now.keys(), "removed")):
        yield from (f"env {_text(name)} of {container} {word}" for name in sorted(names))
    changed = sorted(name for name in was.keys() & now.keys() if was[name] != now[name])
    yield from (f"env {_text(name)} of {container} changed" for name in changed)


def _rest(template: Json) -> Json:
    """Return the template without its containers and its restart time."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED}
    kept = {key: value for key, value in meta.items() if key != "annotations"}
    return {
        "metadata": kept | ({"annotations": annotations} if annotations else {}),
        "spec": {key: value for key, value in spec.items() if key not in CONTAINERS},
    }


def _restarted(template: Json) -> Any:
    return ((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED)


def _by_name(items: list[Json] | None) -> dict[str, Json]:
    return {str(one.get("name")): one for one in items or []}


def _text(value: Any) -> str:
    return "none" if value is None else plain(str(value), LONGEST)
