"""An autoscaler's settings, and the JSON Patch that changes them. Pure."""

import shlex
from collections.abc import Mapping
from typing import Any

import orjson

from dashboard.core.errors import InvalidOption
from dashboard.core.quantity import QuantityError, millicores

SETTINGS = ("min", "max", "target", "behavior")
MOST_REPLICAS = 1_000
MOST_TARGET = 1_000_000  # percent of the requests, or millicores a pod
PERCENT, MILLICORES = "%", "m"

Json = dict[str, Any]


def settings(autoscaler: Json) -> Json:
    """Return {min, max, target, unit, behavior}; target and unit are null without a target for CPU."""
    spec = autoscaler["spec"]
    found = _cpu(autoscaler)
    target, unit = (_target(found[1]) or (None, None)) if found else (None, None)
    return {
        "min": spec.get("minReplicas", 1),
        "max": spec["maxReplicas"],
        "target": target,
        "unit": unit,
        "behavior": spec.get("behavior") or {},
    }


def checked(given: Mapping[str, object]) -> Json:
    """Return the settings to change. Raise `InvalidOption`. The API server checks the behavior, field by field."""
    if not given:
        raise InvalidOption(f"Nothing is to be changed: give {', '.join(SETTINGS[:-1])} or {SETTINGS[-1]}.")
    for name, most in (("min", MOST_REPLICAS), ("max", MOST_REPLICAS), ("target", MOST_TARGET)):
        value = given.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise InvalidOption(f"{name} must be a whole number from 1 to {most}.")
    if not isinstance(given.get("behavior", {}), dict):
        raise InvalidOption("behavior must be an object with scaleUp and scaleDown, as in the autoscaler's spec.")
    return dict(given)


def patch(autoscaler: Json, wanted: Json) -> list[Json]:
    """Return the patch for the settings that differ. Raise `InvalidOption` if they contradict each other."""
    now = settings(autoscaler)
    then = now | wanted
    if then["min"] > then["max"]:
        raise InvalidOption(f"min must not exceed max: {then['min']} is more than {then['max']}.")
    paths = {"min": "/spec/minReplicas", "max": "/spec/maxReplicas", "behavior": "/spec/behavior"}
    operations = [_add(paths[name], wanted[name]) for name in paths if name in wanted and wanted[name] != now[name]]
    if "target" in wanted and wanted["target"] != now["target"]:
        operations.append(_target_operation(autoscaler, wanted["target"]))
    return operations


def command(operations: list[Json], name: str, namespace: str) -> str:
    """Return the same as a line for a shell."""
    return f"kubectl -n {namespace} patch hpa {name} --type=json -p {shlex.quote(orjson.dumps(operations).decode())}"


def _cpu(autoscaler: Json) -> tuple[str, Json] | None:
    """Return the CPU metric's path in the spec, and its source."""
    for index, metric in enumerate(autoscaler["spec"].get("metrics") or []):
        for field in ("resource", "containerResource"):
            if (metric.get(field) or {}).get("name") == "cpu":
                return f"/spec/metrics/{index}/{field}", metric[field]
    return None


def _target(source: Json) -> tuple[int, str] | None:
    target = source.get("target") or {}
    if target.get("type") == "Utilization":
        return target["averageUtilization"], PERCENT
    try:
        return millicores(str(target.get("averageValue", ""))), MILLICORES
    except QuantityError:
        return None


def _target_operation(autoscaler: Json, target: int) -> Json:
    found = _cpu(autoscaler)
    known = _target(found[1]) if found else None
    if found is None or known is None:
        raise InvalidOption("The autoscaler has no target for CPU that could be changed.")
    if known[1] == PERCENT:
        return _add(f"{found[0]}/target/averageUtilization", target)
    return _add(f"{found[0]}/target/averageValue", f"{target}m")


def _add(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}  # replaces what is there
