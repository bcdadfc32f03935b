"""The demos' options, a run's record, its summary, and the trimmed history."""

import math
from typing import Any

import msgspec
import pytest

from dashboard.core.errors import InvalidOption
from dashboard.runs.demo import checked, demo_of
from dashboard.runs.demos.registry import DEMOS
from dashboard.runs.records.record import ENTRIES, HISTORY_BYTES, RUNS, Run, orphaned, summary, trimmed
from dashboard.runs.verdict import Verdict

AT = "2026-11-25T04:00:00.000Z"
LATER = "2026-11-25T04:00:07.500Z"
PASSED = Verdict("pass", None, {"lost": 0}, "persistence PASS lost=0")


def summarized(run: dict[str, Any]) -> dict[str, Any]:
    return summary(run, DEMOS.get(run["demo"]))


def new_run() -> Run:
    return Run("persistence-1", DEMOS["persistence"], {"mode": "crash"}, "operator", AT)


def states(json: dict[str, Any]) -> list[str]:
    return [step["state"] for step in json["steps"]]


def test_each_demo_has_a_sentence_steps_and_a_deadline() -> None:
    for demo in DEMOS.values():
        assert demo.sentence.endswith(".")
        assert len({step.id for step in demo.steps}) == len(demo.steps) >= 5
        assert demo.limits["deadline"] > 0


def test_unknown_demo_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidOption, match="persistence, autoscale"):
        demo_of(DEMOS, "chaos")


def test_options_have_defaults() -> None:
    assert checked(demo_of(DEMOS, "persistence"), {}) == {"mode": "graceful"}
    assert checked(demo_of(DEMOS, "autoscale"), {}) == {}
    assert checked(demo_of(DEMOS, "autoscale"), {"rate": 250}) == {"rate": 250}


@pytest.mark.parametrize(
    ("demo", "options", "problem"),
    [
        ("persistence", {"mode": "nuke"}, "mode must be graceful or crash"),
        ("persistence", {"mode": ["crash"]}, "mode must be graceful or crash"),
        ("persistence", {"rate": 5}, "takes no other option than kills and mode"),
        ("persistence", {"kills": 0}, "a whole number from 1 to 5"),
        ("persistence", {"kills": 6}, "a whole number from 1 to 5"),
        ("persistence", {"kills": 1.5}, "a whole number from 1 to 5"),
        ("autoscale", {"rate": -1}, "from 1 to 2000"),
        ("autoscale", {"rate": 1e9}, "from 1 to 2000"),
        ("autoscale", {"rate": math.nan}, "from 1 to 2000"),
        ("autoscale", {"rate": "250"}, "rate must be a number"),
        ("autoscale", {"rate": True}, "rate must be a number"),
        ("autoscale", {"rate": None}, "rate must be a number"),
    ],
)
def test_invalid_option_is_refused_in_one_sentence(demo: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem) as error:
        checked(demo_of(DEMOS, demo), options)
    assert str(error.value).count(".") == str(error.value).endswith(".")


def test_run_begins_with_all_its_steps_waiting() -> None:
    json = new_run().to_json()
    assert (json["id"], json["demo"], json["by"], json["started"]) == ("persistence-1", "persistence", "operator", AT)
    assert (json["verdict"], json["line"], json["reason"], json["ended"]) == ("running", None, None, None)
    assert set(states(json)) == {"waiting"}


def test_next_step_ends_the_current_one() -> None:
    run = new_run()
    run.begin_step("preflight", AT)
    run.log("Ready", AT)
    run.begin_step("warmup", LATER, "0 acknowledged")
    first, second, *_ = run.to_json()["steps"]
    assert (first["state"], first["started"], first["ended"], first["text"]) == ("done", AT, LATER, "Ready")
    assert (second["state"], second["started"], second["ended"]) == ("running", LATER, None)
    assert second["text"] == "0 acknowledged"


def test_step_that_begins_again_has_not_ended() -> None:
    run = new_run()
    for step, at in (("kill", AT), ("outage", AT), ("kill", LATER)):
        run.begin_step(step, at)
    steps = {step["id"]: step for step in run.to_json()["steps"]}
    assert (steps["kill"]["state"], steps["kill"]["started"], steps["kill"]["ended"]) == ("running", LATER, None)


def test_timeline_keeps_log_lines_and_not_progress() -> None:
    run = new_run()
    run.begin_step("preflight", AT)
    run.set_progress("checking")
    run.log("Ready", LATER)
    assert run.to_json()["timeline"] == [
        {"at": AT, "step": "preflight", "text": "Check that it can begin"},
        {"at": LATER, "step": "preflight", "text": "Ready"},
    ]


def test_passed_run_has_all_steps_done() -> None:
    run = new_run()
    for step in run.demo.steps:
        run.begin_step(step.id, AT)
    run.finish(LATER)
    run.conclude(PASSED, LATER)
    json = run.to_json()
    assert set(states(json)) == {"done"}
    assert (json["verdict"], json["line"], json["ended"]) == ("pass", PASSED.line, LATER)
    assert json["evidence"] == {"lost": 0}
    assert json["timeline"][-1]["text"] == "PASS"


def test_aborted_run_has_a_failed_step_and_skipped_ones() -> None:
    run = new_run()
    run.begin_step("preflight", AT)
    run.begin_step("warmup", AT)
    run.conclude(Verdict("inconclusive", "Aborted by viewer.", {}, "…"), LATER)
    assert states(run.to_json()) == ["done", "failed", "skipped", "skipped", "skipped", "skipped"]


def test_json_of_a_run_does_not_change_with_the_run() -> None:
    run = new_run()
    run.begin_step("preflight", AT)
    json = run.to_json()
    encoded = msgspec.json.encode(json)
    run.log("Ready", LATER)
    run.begin_step("warmup", LATER)
    assert msgspec.json.encode(json) == encoded


def test_timeline_is_limited_and_ends_with_the_verdict() -> None:
    run = new_run()
    for number in range(2 * ENTRIES):
        run.log(str(number), AT)
    run.conclude(PASSED, LATER)
    timeline = run.to_json()["timeline"]
    assert len(timeline) == ENTRIES
    assert timeline[-1]["text"] == "PASS"


def test_orphaned_run_is_inconclusive_with_a_reason() -> None:
    run = new_run()
    run.begin_step("preflight", AT)
    json = orphaned(run.to_json(), LATER)
    assert (json["verdict"], json["ended"]) == ("inconclusive", LATER)
    assert "Aborted" in json["reason"]
    assert json["line"] == "persistence INCONCLUSIVE mode=crash"
    assert states(json)[:2] == ["failed", "skipped"]
    assert json["timeline"][-1]["text"].startswith("INCONCLUSIVE: Aborted")


def test_summary_has_the_fields_of_a_row() -> None:
    assert summarized(new_run().to_json()) == {
        "id": "persistence-1",
        "demo": "persistence",
        "verdict": "running",
        "line": None,
        "reason": None,
        "started": AT,
        "ended": None,
        "by": "operator",
        "figures": {"acked": None, "lost": None, "down": None, "longest_write": None},
        "key_figures": [],
        "lines": [],
        "compared": None,
        "owed": None,
        "evidence_file": None,
    }


def ended(demo: str, verdict: str, evidence: Any) -> dict[str, Any]:
    return {"id": "1", "demo": demo, "verdict": verdict, "evidence": evidence}


def test_summary_has_the_key_figures_of_its_demo() -> None:
    persistence = {"mode": "crash", "acked": 2196, "lost": 0, "down": 2.8, "longest_write": 3.0, "lost_ids": []}
    assert summarized(ended("persistence", "pass", persistence))["figures"] == {
        "acked": 2196,
        "lost": 0,
        "down": 2.8,
        "longest_write": 3.0,
    }
    autoscale = {"start": 2, "peak": 3, "t0": 0.0, "t2": 41.0, "t6": 110.0, "t8": 190.0, "rates": []}
    figures = {"start": 2, "peak": 3, "t2": 41.0, "t6": 110.0, "t8": 190.0}
    assert summarized(ended("autoscale", "pass", autoscale))["figures"] == figures


@pytest.mark.parametrize("evidence", [None, {}, {"min": 2, "owed": None}])
def test_summary_of_incomplete_evidence_has_no_figures(evidence: Any) -> None:
    row = summarized(ended("autoscale", "fail", evidence))
    assert set(row["figures"].values()) == {None}
    assert row["owed"] is None


def test_summary_of_an_unknown_demo_has_no_figures() -> None:
    assert summarized(ended("chaos", "pass", {"acked": 1}))["figures"] == {}


MET = {"what": "scale-up", "since": AT, "by": LATER, "met": LATER, "text": "It owed more pods"}
UNMET = MET | {"what": "ready", "met": None}


def test_summary_of_a_failed_run_has_the_first_unmet_obligation() -> None:
    owed = [MET, UNMET, UNMET | {"what": "serve"}]
    assert summarized(ended("autoscale", "fail", {"owed": owed}))["owed"] == UNMET
    assert summarized(ended("autoscale", "fail", {"owed": [MET]}))["owed"] is None


@pytest.mark.parametrize("verdict", ["pass", "inconclusive", "running"])
def test_summary_of_another_verdict_has_no_unmet_obligation(verdict: str) -> None:
    assert summarized(ended("autoscale", verdict, {"owed": [UNMET]}))["owed"] is None


def test_summary_of_a_summary_is_the_same() -> None:
    row = summarized(ended("autoscale", "fail", {"start": 2, "peak": 2, "owed": [UNMET]}))
    assert summarized(row) == row


def long_run(number: int, entries: int) -> dict[str, Any]:
    timeline = [{"at": AT, "step": "warmup", "text": "x" * 100}] * entries
    return new_run().to_json() | {"id": str(number), "timeline": timeline, "evidence": {"lost_ids": ["0" * 24] * 100}}


def test_history_keeps_the_newest_runs_whole_while_they_fit() -> None:
    runs = [long_run(number, 5) for number in range(RUNS + 5)]
    assert trimmed(runs, DEMOS) == runs[:RUNS]


def test_trimming_first_removes_the_oldest_timelines() -> None:
    runs = [long_run(number, 300) for number in range(RUNS)]
    kept = trimmed(runs, DEMOS)
    assert len(msgspec.json.encode(kept)) <= HISTORY_BYTES
    assert [run["id"] for run in kept] == [run["id"] for run in runs]
    assert kept[0] == runs[0]
    assert kept[-1]["timeline"] == [] and kept[-1]["evidence"]


def test_trimming_then_keeps_summaries_and_then_removes_runs() -> None:
    runs = [long_run(number, 10) for number in range(RUNS)]
    kept = trimmed(runs, DEMOS, most=20_000)
    assert len(kept) == RUNS
    assert "evidence" not in kept[-1]
    assert kept[-1]["verdict"] == "running"
    fewer = trimmed(runs, DEMOS, most=1_000)
    assert 0 < len(fewer) < RUNS
    assert len(msgspec.json.encode(fewer)) <= 1_000
