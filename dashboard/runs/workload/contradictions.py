"""Where the records of a workload contradict each other, whatever the verdict: an honest file has none of it. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from dashboard.runs.workload.operation import WRITES, Kind, Operation, Outcome, ReadBack

READ: frozenset[Outcome] = frozenset({"open", "seen", "failed"})
WROTE: frozenset[Outcome] = frozenset({"open", "acknowledged", "failed", "unknown"})


def contradictions(
    operations: Sequence[Operation], read_backs: Sequence[ReadBack], kinds: Collection[Kind] = WRITES
) -> Iterator[str]:
    """Yield where operations and read-backs can't be those of one run, as sentences. `kinds` are the writes that the
    service takes."""
    documents = defaultdict[str | None, list[Operation]](list)
    for each in operations:
        if reason := _impossible(each, kinds):
            yield f"{_named(each)} {reason}"
        elif each.kind in WRITES:
            documents[each.id].append(each)
    for writes in documents.values():
        yield from _out_of_order(writes)
    ended = max((each.ended or each.began for each in operations if each.kind in WRITES), default=0.0)
    for back in read_backs:
        if back.began < ended:
            yield f"the read-back from the {back.source} began before the last write had ended"
        if back.ended < back.began:
            yield f"the read-back from the {back.source} ended before it began"


def unexplained(read_backs: Sequence[ReadBack], sources: Collection[str], finished: bool) -> Iterator[str]:
    """Yield what was read back and could not be, or was not though it had to be. `sources` are those that there are;
    `finished`: whether the run came so far, and has no reason why something could not be read."""
    found = {back.source for back in read_backs}
    yield from (
        f"there is a read-back from the {source}, which can't be read" for source in sorted({*found} - {*sources})
    )
    if finished:
        missing = sorted({*sources} - {*found})
        yield from (f"there is no read-back from the {source}, and no reason for that" for source in missing)


def _named(each: Operation) -> str:
    return f"the {each.kind} of {each.id} at {each.began:.3f}"


def _impossible(each: Operation, kinds: Collection[Kind]) -> str | None:
    """Return why there can't be such an operation, or None."""
    write = each.kind in WRITES
    stores = each.kind in ("post", "put")
    if write and each.kind not in kinds:
        return "is of a kind that the service does not take"
    if each.outcome not in (WROTE if write else READ):
        return f"can't be {each.outcome}"
    if (each.ended is None) != (each.outcome == "open"):
        return f"is {each.outcome} and {'has no end' if each.ended is None else 'has an end'}"
    if each.ended is not None and each.ended < each.began:
        return "ended before it began"
    if (each.seen is None) != (each.outcome != "seen"):
        return f"is {each.outcome} and {'has seen nothing' if each.seen is None else 'has seen something'}"
    if (each.id is None) != (each.kind == "list"):
        return "has no id" if each.id is None else "has an id"
    if (
        (each.version is None) == stores
        or (each.sha256 is None) == stores
        or (each.version == 1) != (each.kind == "post")
    ):
        return f"can't have version {each.version} and digest {each.sha256}"
    return None


def _out_of_order(writes: Sequence[Operation]) -> Iterator[str]:
    """Yield which of a document's writes can't follow each other: its one writer goes on after an acknowledgement."""
    if writes[0].kind != "post":
        yield f"{_named(writes[0])} has no post before it"
    for before, each in pairwise(writes):
        if each.kind == "post" or before.kind == "delete" or before.outcome != "acknowledged":
            yield f"{_named(each)} can't follow a {before.kind} that is {before.outcome}"
        elif each.by != before.by or (before.ended is not None and each.began < before.ended):
            yield f"{_named(each)} is another writer's, or began before the {before.kind} had ended"
        elif each.kind == "put" and each.version != (before.version or 0) + 1:
            yield f"{_named(each)} has version {each.version} after {before.version}"
    digests = [each.sha256 for each in writes if each.sha256]
    if len({*digests}) < len(digests):
        yield f"two versions of {writes[0].id} have the same digest"
