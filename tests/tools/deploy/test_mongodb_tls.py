"""The way to TLS and back: each two modes in succession understand each other, and so do clients and members."""

from itertools import pairwise
from typing import Any

import pytest
import yaml

from tools.cluster.instance import CHECKOUT
from tools.deploy import mongodb_tls
from tools.deploy.mongodb_tls import COMPONENT, MODES

OFF, ALLOW, PREFER, REQUIRE = MODES


@pytest.mark.parametrize(
    ("now", "then", "members", "expected"),
    [
        (OFF, OFF, 1, []),
        (OFF, REQUIRE, 0, []),  # nothing runs yet
        (OFF, REQUIRE, 1, [PREFER]),
        (REQUIRE, OFF, 1, [ALLOW]),
        (OFF, REQUIRE, 3, [ALLOW, PREFER]),
        (REQUIRE, OFF, 3, [PREFER, ALLOW]),
        (ALLOW, REQUIRE, 3, [PREFER]),  # interrupted
        (PREFER, REQUIRE, 3, []),
        (PREFER, OFF, 3, [ALLOW]),  # turned back
        (REQUIRE, REQUIRE, 3, []),
    ],
)
def test_steps_are_the_modes_between(now: str, then: str, members: int, expected: list[str]) -> None:
    assert mongodb_tls.steps(now, then, members) == expected


def connects(tls: bool, mode: str) -> bool:
    return mode in ((ALLOW, PREFER, REQUIRE) if tls else (OFF, ALLOW, PREFER))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize(("now", "then"), [(OFF, REQUIRE), (REQUIRE, OFF)])
def test_all_that_run_at_once_understand_each_other(now: str, then: str, members: int) -> None:
    whole = [now, *mongodb_tls.steps(now, then, members), then]
    for before, after in pairwise(whole):
        clients = {uses_tls(before), uses_tls(after)}
        # The former clients are replaced while a single member is, and meet the next one only.
        for mode in {before, after} if members > 1 else {after}:
            assert all(connects(tls, mode) for tls in clients), (before, after, mode)
        if members > 1:
            assert connects(before in (PREFER, REQUIRE), after) and connects(after in (PREFER, REQUIRE), before)


def uses_tls(mode: str) -> bool:
    """Return whether the clients use TLS in this step: the manifests have the setting, and its patches may empty it."""
    if mode in (OFF, REQUIRE):
        return mode == REQUIRE
    return not any("MONGODB_CA_FILE" in each["patch"] for each in mongodb_tls.patches(mode))


def stateful_set(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [*containers]}}}}


def test_mode_is_that_of_the_stateful_set() -> None:
    manifest = yaml.safe_load((CHECKOUT / "k8s" / COMPONENT / "mongodb-statefulset.yaml").read_text())
    assert mongodb_tls.mode(manifest) == mongodb_tls.wanted(["components/ha", COMPONENT]) == REQUIRE
    assert mongodb_tls.mode(stateful_set({"name": "mongod"})) == mongodb_tls.wanted(["components/ha"]) == OFF
    assert mongodb_tls.mode(stateful_set({"env": [{"name": "TLS_MODE", "value": ALLOW}]})) == ALLOW
    assert mongodb_tls.mode(None) == OFF
