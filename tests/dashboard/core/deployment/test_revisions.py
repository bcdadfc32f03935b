"""The differences of two revisions, in words and as a diff."""

from typing import Any

import pytest

from dashboard.core.deployment.revisions import MOST, RESTARTED, REVISION, number_of, unified, words

Json = dict[str, Any]


def template(restarted: str | None = None, **container: Any) -> Json:
    annotations = {RESTARTED: restarted} if restarted else None
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "flask", **container}]}}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (template(image="a"), template(image="b"), ["image of flask: a → b"]),
        (template(), template(env=[{"name": "X", "value": "1"}]), ["env X of flask added"]),
        (template(env=[{"name": "X", "value": "1"}]), template(), ["env X of flask removed"]),
        (
            template(env=[{"name": "X", "value": "1"}]),
            template(env=[{"name": "X", "value": "2"}]),
            ["env X of flask changed"],
        ),
        (
            template(resources={"requests": {"cpu": "100m"}}),
            template(resources={"requests": {"cpu": "200m"}, "limits": {"cpu": "1"}}),
            ["requests cpu of flask: 100m → 200m", "limits cpu of flask: none → 1"],
        ),
        (template(), template("2027-01-15T08:00:00Z"), ["only the restart time changed"]),
        (template(image="a"), template("now", image="b"), ["image of flask: a → b", "the restart time changed"]),
        (template(workingDir="/a"), template(workingDir="/b"), ["of flask: workingDir: /a → /b"]),
        (
            {"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}},
            {"spec": {"containers": [{"name": "b"}]}},
            ["init container i removed", "container b added", "container a removed"],
        ),
        (
            {"spec": {"terminationGracePeriodSeconds": 30}},
            {"spec": {"terminationGracePeriodSeconds": 60}},
            ["spec.terminationGracePeriodSeconds: 30 → 60"],
        ),
        (template(), template(), []),
        ({}, {}, []),
    ],
)
def test_each_difference_has_its_words(before: Json, after: Json, found: list[str]) -> None:
    assert words(before, after) == found


def test_many_differences_are_counted() -> None:
    env = [{"name": f"V{number:02}"} for number in range(MOST + 5)]
    assert words(template(), template(env=env))[-1] == "and 5 more"


def test_diff_names_both_revisions_and_has_the_changed_lines() -> None:
    diff = unified("a: 1\nb: 2\n", "a: 1\nb: 3\n", ("revision 1", "revision 2"))
    assert diff.splitlines() == ["--- revision 1", "+++ revision 2", "@@ -1,2 +1,2 @@", " a: 1", "-b: 2", "+b: 3"]
    assert unified("a\n", "a\n", ("x", "y")) == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("9" * 15, 10**15 - 1), ("9" * 16, None), ("9" * 5_000, None), ("\u0663", None), ("-1", None)],
)
def test_revision_is_a_number_that_json_can_carry(text: str, number: int | None) -> None:
    assert number_of({"metadata": {"annotations": {REVISION: text}}}) == number
