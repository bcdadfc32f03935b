"""A judgement's findings in words and numbers, for the verdicts of the demos that write. Pure."""

from collections.abc import Iterator, Sequence

from msgspec import to_builtins

from dashboard.runs.verdict import FieldSentence, Json
from dashboard.runs.workload.judgement.judge import FINDINGS, Judgement

IDS = 100  # listed at most

# What a finding is called, of one document and of more.
REASONS = {
    "lost": ("was acknowledged and is lost", "were acknowledged and are lost"),
    "corrupt": ("is not as it was written", "are not as they were written"),
    "unexpected": ("is there though nobody wrote it", "are there though nobody wrote them"),
    "regressed": ("went back to an older version", "went back to older versions"),
    "resurrected": ("was there after its acknowledged deletion", "were there after their acknowledged deletion"),
    "stale": ("was read as it was before an acknowledged write", "were read as they were before acknowledged writes"),
}
AT_THE_END = frozenset({"lost", "regressed", "recovered"})  # what only a read-back shows


def losses(found: Judgement) -> Iterator[str]:
    """Yield a sentence about each of FINDINGS that there is."""
    for name, (one, more) in REASONS.items():
        yield from _listed(name, getattr(found, name), one, more)


def _listed(field: str, ids: Sequence[str], one: str, more: str) -> Iterator[str]:
    if ids:
        shown = ", ".join(ids[:3]) + (" …" if len(ids) > 3 else "")
        documents = "document" if len(ids) == 1 else "documents"
        yield FieldSentence(field, f"{len(ids)} {documents} {one if len(ids) == 1 else more}: {shown}.")


def counted_findings(found: Judgement, read_back: bool) -> Json:
    """Return the judgement's counts. What nothing was read for is None."""
    judged = to_builtins(found)
    nothing = not read_back and not found.reads
    return {
        name: value
        if isinstance(value, int)
        else None
        if nothing or (name in AT_THE_END and not read_back)
        else len(value)
        for name, value in judged.items()
    }


def listed_ids(found: Judgement) -> Json:
    """Return the ids of each of FINDINGS that there is."""
    return {f"{name}_ids": list(getattr(found, name)[:IDS]) for name in FINDINGS if getattr(found, name)}
