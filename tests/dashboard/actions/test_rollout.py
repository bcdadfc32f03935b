"""The patches of a roll-out, and how far it is."""

import copy
from typing import Any

import pytest

from dashboard.actions import rollout
from dashboard.core.deployment.revisions import REVISION
from dashboard.core.deployment.rollout import view
from dashboard.core.errors import InvalidOption
from tests.dashboard.core.decoding import decoded

Json = dict[str, Any]


def template(image: str, **annotations: str) -> Json:
    meta: Json = {"labels": {"app.kubernetes.io/name": "flask"}}
    if annotations:
        meta["annotations"] = dict(annotations)
    return {"metadata": meta, "spec": {"containers": [{"name": "flask", "image": image}]}}


def deployment(revision: int, image: str, **spec: Any) -> Json:
    return {
        "metadata": {"uid": "d", "annotations": {REVISION: str(revision)}},
        "spec": {"replicas": 2, "template": template(image), **spec},
    }


def replica_set(revision: int, image: str) -> Json:
    made = template(image)
    made["metadata"]["labels"][rollout.HASH_LABEL] = f"hash{revision}"
    meta = {"name": f"flask-hash{revision}", "annotations": {REVISION: str(revision)}}
    return {"metadata": meta, "spec": {"template": made}}


SETS = [replica_set(2, "flask:2"), replica_set(4, "flask:4"), replica_set(3, "flask:3")]


def test_restart_adds_the_annotation_that_kubectl_sets() -> None:
    without = rollout.restart(deployment(4, "flask:4"), "2026-11-28T10:00:00Z")
    assert [one["path"] for one in without] == [
        "/spec/template/metadata/annotations",
        "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
    ]
    annotated = deployment(4, "flask:4")
    annotated["spec"]["template"]["metadata"]["annotations"] = {"checksum/secrets": "x"}
    assert len(rollout.restart(annotated, "2026-11-28T10:00:00Z")) == 1, "the other annotations stay"


def test_undo_gives_the_former_template_without_the_controllers_label() -> None:
    now = deployment(4, "flask:4")
    assert rollout.former(now, SETS) == 3
    (operation,) = rollout.undo(now, SETS, 3)
    assert operation == {"op": "add", "path": "/spec/template", "value": template("flask:3")}
    assert rollout.HASH_LABEL in SETS[2]["spec"]["template"]["metadata"]["labels"], "what was given is unchanged"


def test_undo_resumes_a_paused_roll_out() -> None:
    paths = [one["path"] for one in rollout.undo(deployment(4, "flask:4", paused=True), SETS, 2)]
    assert paths == ["/spec/template", "/spec/paused"]
    line = rollout.commands("undo", "flask", "here", paused=True, revision=2)
    assert line.split(" && ") == [
        "kubectl -n here rollout resume deployment/flask",
        "kubectl -n here rollout undo deployment/flask --to-revision=2",
    ]


def test_impossible_actions_are_refused() -> None:
    paused, running = deployment(4, "flask:4", paused=True), deployment(4, "flask:4")
    for act in (
        lambda: rollout.restart(paused, "now"),
        lambda: rollout.pause(paused),
        lambda: rollout.resume(running),
        lambda: rollout.undo(running, SETS, 4),
        lambda: rollout.former(running, [SETS[1]]),
    ):
        with pytest.raises(rollout.NotPossible):
            act()
    with pytest.raises(InvalidOption, match="revision 9"):
        rollout.undo(running, SETS, 9)


def test_revisions_are_newest_first_with_what_differs() -> None:
    found = rollout.revisions(deployment(4, "flask:4"), [*SETS, {"metadata": {"name": "x"}, "spec": {}}])
    assert [(one["revision"], one["current"]) for one in found] == [(4, True), (3, False), (2, False)]
    assert found[0]["changes"] == []
    assert found[1]["changes"] == ["spec.containers[flask].image: flask:4 → flask:3"]


STATUS = {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 7}


@pytest.mark.parametrize(
    ("spec", "status", "state"),
    [
        ({}, {}, "complete"),
        ({}, {"observedGeneration": 6}, "progressing"),
        ({}, {"updatedReplicas": 1, "replicas": 3}, "progressing"),
        ({}, {"replicas": 3}, "progressing"),
        ({}, {"availableReplicas": 1}, "progressing"),
        ({"paused": True}, {"updatedReplicas": 1}, "paused"),
        ({"paused": True}, {}, "paused"),
        (
            {},
            {"updatedReplicas": 1, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
            ]},
            "failed",
        ),
    ],
)  # fmt: skip
def test_progress_is_as_kubectl_rollout_status_has_it(spec: Json, status: Json, state: str) -> None:
    meta = {"name": "flask", "uid": "d", "generation": 7, "annotations": {REVISION: "4"}}
    made = {"metadata": meta, "spec": {"replicas": 2} | spec, "status": copy.deepcopy(STATUS) | status}
    shown = view(decoded("deployments", made))
    assert (shown["state"], shown["revision"]) == (state, "4")
    assert shown["text"]
