"""Demos as data, a run's own account of itself, and what of earlier runs is kept."""

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


def row(told: dict[str, Any]) -> dict[str, Any]:
    return summary(told, DEMOS.get(told["demo"]))


def run() -> Run:
    return Run("persistence-1", DEMOS["persistence"], {"mode": "crash"}, "operator", AT)


def states(told: dict[str, Any]) -> list[str]:
    return [step["state"] for step in told["steps"]]


def test_each_demo_has_a_sentence_steps_and_limits() -> None:
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
    ("demo", "options", "words"),
    [
        ("persistence", {"mode": "nuke"}, "mode must be graceful or crash"),
        ("persistence", {"mode": ["crash"]}, "mode must be graceful or crash"),
        ("persistence", {"rate": 5}, "takes no other option than mode"),
        ("autoscale", {"rate": -1}, "from 1 to 2000"),
        ("autoscale", {"rate": 1e9}, "from 1 to 2000"),
        ("autoscale", {"rate": math.nan}, "from 1 to 2000"),
        ("autoscale", {"rate": "250"}, "rate must be a number"),
        ("autoscale", {"rate": True}, "rate must be a number"),
        ("autoscale", {"rate": None}, "rate must be a number"),
    ],
)
def test_bad_option_is_refused_in_one_sentence(demo: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        checked(demo_of(DEMOS, demo), options)
    assert words in str(caught.value)
    assert str(caught.value).count(".") == str(caught.value).endswith(".")


def test_run_begins_with_all_its_steps_waiting() -> None:
    told = run().to_json()
    assert (told["id"], told["demo"], told["by"], told["started"]) == ("persistence-1", "persistence", "operator", AT)
    assert (told["verdict"], told["line"], told["reason"], told["ended"]) == ("running", None, None, None)
    assert set(states(told)) == {"waiting"}


def test_step_that_begins_ends_the_one_before_it() -> None:
    going = run()
    going.begin_step("preflight", AT)
    going.log("Ready", AT)
    going.begin_step("warmup", LATER, "0 acknowledged")
    first, second, *_ = going.to_json()["steps"]
    assert (first["state"], first["started"], first["ended"], first["text"]) == ("done", AT, LATER, "Ready")
    assert (second["state"], second["started"], second["ended"]) == ("running", LATER, None)
    assert second["text"] == "0 acknowledged"


def test_timeline_keeps_log_lines_and_not_progress() -> None:
    going = run()
    going.begin_step("preflight", AT)
    going.set_progress("looking")
    going.log("Ready", LATER)
    assert going.to_json()["timeline"] == [
        {"at": AT, "step": "preflight", "text": "Check that it can begin"},
        {"at": LATER, "step": "preflight", "text": "Ready"},
    ]


def test_run_that_passes_has_its_last_step_done_when_it_was_finished() -> None:
    going = run()
    for step in going.demo.steps:
        going.begin_step(step.id, AT)
    going.finish(LATER)
    going.conclude(PASSED, LATER)
    told = going.to_json()
    assert set(states(told)) == {"done"}
    assert (told["verdict"], told["line"], told["ended"]) == ("pass", PASSED.line, LATER)
    assert told["evidence"] == {"lost": 0}
    assert told["timeline"][-1]["text"] == "PASS"


def test_run_that_breaks_off_fails_its_step_and_skips_the_others() -> None:
    going = run()
    going.begin_step("preflight", AT)
    going.begin_step("warmup", AT)
    going.conclude(Verdict("inconclusive", "Aborted by viewer.", {}, "…"), LATER)
    assert states(going.to_json()) == ["done", "failed", "skipped", "skipped", "skipped", "skipped"]


def test_json_of_a_run_does_not_change_with_the_run() -> None:
    going = run()
    going.begin_step("preflight", AT)
    before = going.to_json()
    copy = msgspec.json.encode(before)
    going.log("Ready", LATER)
    going.begin_step("warmup", LATER)
    assert msgspec.json.encode(before) == copy


def test_timeline_has_an_end() -> None:
    going = run()
    for number in range(2 * ENTRIES):
        going.log(str(number), AT)
    going.conclude(PASSED, LATER)
    timeline = going.to_json()["timeline"]
    assert len(timeline) == ENTRIES
    assert timeline[-1]["text"] == "PASS"


def test_orphaned_run_is_inconclusive_and_says_why() -> None:
    going = run()
    going.begin_step("preflight", AT)
    told = orphaned(going.to_json(), LATER)
    assert (told["verdict"], told["ended"]) == ("inconclusive", LATER)
    assert "Aborted" in told["reason"]
    assert told["line"] == "persistence INCONCLUSIVE mode=crash"
    assert states(told)[:2] == ["failed", "skipped"]
    assert told["timeline"][-1]["text"].startswith("INCONCLUSIVE: Aborted")


def test_summary_has_the_fields_of_a_row() -> None:
    assert row(run().to_json()) == {
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
    }


def ended(demo: str, verdict: str, evidence: Any) -> dict[str, Any]:
    return {"id": "1", "demo": demo, "verdict": verdict, "evidence": evidence}


def test_summary_has_the_key_figures_of_its_demo() -> None:
    persisted = {"mode": "crash", "acked": 2196, "lost": 0, "down": 2.8, "longest_write": 3.0, "lost_ids": []}
    assert row(ended("persistence", "pass", persisted))["figures"] == {
        "acked": 2196,
        "lost": 0,
        "down": 2.8,
        "longest_write": 3.0,
    }
    scaled = {"start": 2, "peak": 3, "t0": 0.0, "t2": 41.0, "t6": 110.0, "t8": 190.0, "rates": []}
    figures = {"start": 2, "peak": 3, "t2": 41.0, "t6": 110.0, "t8": 190.0}
    assert row(ended("autoscale", "pass", scaled))["figures"] == figures


@pytest.mark.parametrize("evidence", [None, {}, {"min": 2, "owed": None}])
def test_summary_of_a_run_with_thin_evidence_has_no_figures(evidence: Any) -> None:
    told = row(ended("autoscale", "fail", evidence))
    assert set(told["figures"].values()) == {None}
    assert told["owed"] is None


def test_summary_of_an_unknown_demo_has_no_figures() -> None:
    assert row(ended("chaos", "pass", {"acked": 1}))["figures"] == {}


MET = {"what": "scale-up", "since": AT, "by": LATER, "met": LATER, "text": "It owed more pods"}
UNMET = MET | {"what": "ready", "met": None}


def test_failed_run_s_summary_has_the_first_unmet_obligation() -> None:
    owed = [MET, UNMET, UNMET | {"what": "serve"}]
    assert row(ended("autoscale", "fail", {"owed": owed}))["owed"] == UNMET
    assert row(ended("autoscale", "fail", {"owed": [MET]}))["owed"] is None


@pytest.mark.parametrize("verdict", ["pass", "inconclusive", "running"])
def test_only_a_fail_accuses(verdict: str) -> None:
    assert row(ended("autoscale", verdict, {"owed": [UNMET]}))["owed"] is None


def test_summary_s_summary_is_the_same() -> None:
    told = row(ended("autoscale", "fail", {"start": 2, "peak": 2, "owed": [UNMET]}))
    assert row(told) == told


def long(number: int, entries: int) -> dict[str, Any]:
    timeline = [{"at": AT, "step": "warmup", "text": "x" * 100}] * entries
    return run().to_json() | {"id": str(number), "timeline": timeline, "evidence": {"lost_ids": ["0" * 24] * 100}}


def test_history_keeps_the_newest_runs_whole_while_they_fit() -> None:
    runs = [long(number, 5) for number in range(RUNS + 5)]
    assert trimmed(runs, DEMOS) == runs[:RUNS]


def test_history_that_is_too_long_first_loses_the_oldest_timelines() -> None:
    runs = [long(number, 300) for number in range(RUNS)]
    kept = trimmed(runs, DEMOS)
    assert len(msgspec.json.encode(kept)) <= HISTORY_BYTES
    assert [one["id"] for one in kept] == [one["id"] for one in runs]
    assert kept[0] == runs[0]
    assert kept[-1]["timeline"] == [] and kept[-1]["evidence"]


def test_then_all_but_the_summaries_and_then_whole_runs() -> None:
    runs = [long(number, 10) for number in range(RUNS)]
    kept = trimmed(runs, DEMOS, most=20_000)
    assert len(kept) == RUNS
    assert "evidence" not in kept[-1]
    assert kept[-1]["verdict"] == "running"
    few = trimmed(runs, DEMOS, most=1_000)
    assert 0 < len(few) < RUNS
    assert len(msgspec.json.encode(few)) <= 1_000
