"""What the demos that disrupt the service's pods declare alike: fields of the evidence, limits, words."""

from collections.abc import Mapping, Sequence

from dashboard.runs.demo import Field, Json
from dashboard.runs.demos.document_fields import DOCUMENT_FIELDS, WRONG
from dashboard.runs.words import acknowledged, after, count, counted, elapsed, number, plural, present

LIMITS: Mapping[str, float] = {
    "deadline": 900.0, "ready": 180.0, "self-test": 180.0, "warmup": 60.0, "serve": 60.0, "after": 20.0,
    "readback": 60.0,
}  # fmt: skip
PROVED = (
    " No request failed, every acknowledged write was there when all was read back, and no read saw a state before an"
    " acknowledged write."
)
TIMES = {
    "restart": "rolled out in",
    "undo": "rolled back in",
    "delete": "all Ready after a deletion in",
    "kill": "and after one without a grace period in",
}


def fields(times: Sequence[Field]) -> tuple[Field, ...]:
    """Return all fields of the evidence; `times` are those of the demo's own disruptions."""
    return (
        Field("pods", "Pods before", kept=True),
        Field("replaced", "Old pods that are gone", kept=True),
        *times,
        Field("whole", "Until all pods were Ready again, at most", "s", kept=True, claim="All pods are Ready again"),
        Field("disruptions", "Each of them"),
        Field("failed", "Failed requests that nothing excuses", kept=True, claim="No request fails"),
        Field("failed_by_kind", "of them by kind"),
        Field("excused", "Failed requests that a pod's sudden end excuses"),
        Field("gap", "Longest time without an answer", "s", kept=True),
        Field("offered", "Requests of the load"),
        Field("achieved", "of them answered"),
        Field("p99_ms", "Latency, 99th percentile", "ms"),
        Field("lag_p99_ms", "Sent late, 99th percentile", "ms"),
        Field("attempted", "Writes sent"),
        Field("acked", "of them acknowledged", kept=True),
        Field("unknown", "of them with an outcome that is not known"),
        *DOCUMENT_FIELDS,
        Field("spec", "What the pods' spec has", claim="The pods have a preStop hook and a readiness probe"),
        Field("scope", "What it says nothing about"),
    )  # fmt: skip


def key_figures(evidence: Json) -> list[str]:
    failed, offered, whole = (number(evidence.get(name)) for name in ("failed", "offered", "whole"))
    failures = f"{count(failed)} of {count(offered)} failed" if failed is not None and offered is not None else ""
    return present([failures, f"all Ready after {elapsed(whole)}" if whole is not None else ""])


def lines(evidence: Json) -> list[list[str]]:
    pods, replaced = number(evidence.get("pods")), number(evidence.get("replaced"))
    counts = [
        *(counted(evidence, name) for name in ("failed", "lost")),
        *(counted(evidence, name, least=1) for name in ("excused", *WRONG)),
        acknowledged(evidence),
    ]
    times = [
        "" if pods is None else plural(pods, "pod"),
        f"{count(replaced)} replaced" if replaced else "",
        *(after(words, evidence.get(name)) for name, words in TIMES.items()),
        after("longest gap", evidence.get("gap")),
    ]
    return [parts for parts in (present(counts), present(times)) if parts]


def compared(evidence: Json) -> float | None:
    return number(evidence.get("whole"))
