"""A persistence run's evidence as text, for its card and its claim."""

from dashboard.runs.demos.document_fields import WRONG
from dashboard.runs.verdict import Json
from dashboard.runs.words import acknowledged, after, counted, elapsed, lost, number, plural, present

VOLUMES = {"same": "same volume", "changed": "another volume", "none": "no volume"}


def key_figures(evidence: Json) -> list[str]:
    down = number(evidence.get("down"))
    return present([lost(evidence), f"down {elapsed(down)}" if down is not None else ""])


def lines(evidence: Json) -> list[list[str]]:
    counts = [acknowledged(evidence), counted(evidence, "lost")]
    counts += [counted(evidence, name, least=1) for name in WRONG]
    counts += [counted(evidence, name) for name in ("failed", "unknown")]
    counts += [counted(evidence, name, least=1) for name in ("recovered", "reads")]
    what = "container" if evidence.get("mode") == "crash" else "pod"
    times = [_kills(number(evidence.get("kills")) or 0), _replaced(what, evidence.get(what))]
    times += [VOLUMES.get(str(evidence.get("volume")), "")]
    times += [after("down", evidence.get("down")), after("longest write", evidence.get("longest_write"))]
    return [parts for parts in (present(counts), present(times)) if parts]


def compared(evidence: Json) -> float | None:
    return number(evidence.get("down"))


def _kills(found: float) -> str:
    return plural(found, "kill") if found > 1 else ""


def _replaced(what: str, pair: object) -> str:
    """Format a pair of ids: pod 1f0c22ab → 7d9e4410."""
    before, after_ = (pair.get("before"), pair.get("after")) if isinstance(pair, dict) else (None, None)
    if not isinstance(before, str) or not isinstance(after_, str):
        return ""
    return f"same {what}" if before == after_ else f"{what} {short_id(before)} → {short_id(after_)}"


def short_id(id_: str | None) -> str:
    """Return the first eight characters, as in a uid's first group."""
    return id_[:8] if id_ else "-"
