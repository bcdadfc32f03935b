"""A failover run's evidence as text, for its card and its claim."""

from dashboard.runs.demos.document_fields import WRONG
from dashboard.runs.verdict import Json
from dashboard.runs.words import acknowledged, after, counted, elapsed, lost, number, plural, present


def key_figures(evidence: Json) -> list[str]:
    takeover = number(evidence.get("takeover"))
    return present([lost(evidence), f"a new primary after {elapsed(takeover)}" if takeover is not None else ""])


def lines(evidence: Json) -> list[list[str]]:
    counts = [
        acknowledged(evidence),
        *(counted(evidence, name) for name in ("failed", "lost")),
        *(counted(evidence, name, least=1) for name in (*WRONG, "recovered", "reads")),
    ]
    kills, successor = number(evidence.get("kills")) or 0, evidence.get("successor")
    times = [
        plural(kills, "kill") if kills > 1 else "",
        f"primary {successor}" if successor else "",
        after("new primary after", evidence.get("takeover")),
        after("all members after", evidence.get("ready")),
        after("longest write", evidence.get("longest_write")),
    ]
    return [parts for parts in (present(counts), present(times)) if parts]


def compared(evidence: Json) -> float | None:
    return number(evidence.get("takeover"))
