"""Judges what was read against what was written, document by document. Pure.

A read may see the state after the last write that was acknowledged before it began, or after any later write that was
attempted before it ended. A write that was never acknowledged may be applied or not, and as late as it likes, so it may
be seen by every read after its start. But once a read has shown a post or a replacement, that counts as its
acknowledgement: a read that begins after that one's end, and a read-back, must not miss it. Nothing else may be seen:
MongoDB's majority reads from its only primary are linearizable for one document.

A list is a page of the newest documents. It need not be one snapshot, but each document that exists all the time is
found, as the ids by which the scan goes never change. So a list says something about the ids from its last one upwards,
however new: a document that was acknowledged before the list began is there or was deleted. It says nothing about older
ids, and nothing at all if it has no document of the run: those of other users fill it.

The model is Jepsen's `set-full`, with replacements and deletions.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct

from dashboard.runs.workload.judgement.traffic import EVER
from dashboard.runs.workload.operation import WRITES, Operation, ReadBack

FINDINGS = ("lost", "stale", "regressed", "resurrected", "corrupt", "unexpected")  # each makes a run FAIL
# What a wrong state is called. An unacknowledged write that a read saw during the run is nothing to report.
DURING = {"absent": "stale", "older": "stale", "revived": "resurrected"}
OUTDATED = {"absent": "stale", "older": "stale", "revived": "stale"}  # where another primary may be behind for a moment
AT_THE_END = {"absent": "lost", "older": "regressed", "revived": "resurrected", "recovered": "recovered"}
ALWAYS = {"corrupt": "corrupt", "unexpected": "unexpected"}


class Judgement(Struct, frozen=True):
    """Sorted ids of documents by finding, and three counts."""

    lost: tuple[str, ...] = ()  # acknowledged and not deleted, and absent at the end
    stale: tuple[str, ...] = ()  # absent or older in a read that began after the acknowledgement; right at the end
    regressed: tuple[str, ...] = ()  # an older version at the end than was acknowledged
    resurrected: tuple[str, ...] = ()  # present in a read that began after the deletion was acknowledged
    corrupt: tuple[str, ...] = ()  # with a content that nobody sent
    unexpected: tuple[str, ...] = ()  # present though never sent, or before it was sent
    recovered: tuple[str, ...] = ()  # at the end in the state after a write that was not acknowledged: no finding
    reads: int = 0  # that were answered during the run
    stable: int = 0  # documents that a read of the run showed or asked for, without a finding
    never_read: int = 0  # acknowledged documents that no read of the run showed or asked for


def judge(
    operations: Iterable[Operation], read_backs: Sequence[ReadBack] = (), during: Mapping[str, str] = DURING
) -> Judgement:
    """Judge every read of the run and the read-backs. A document is lost if it is in one read-back of two. `during` is
    what a wrong state is called that a read of the run saw."""
    writes, reads = defaultdict[str, list[Operation]](list), list[Operation]()
    for each in operations:
        if each.kind not in WRITES:
            reads.append(each)
        elif each.id is not None:
            writes[each.id].append(each)
    answered = [each for each in reads if each.seen is not None and each.ended is not None]
    found = _Found(writes, _shown(answered))
    read = set[str]()
    index = _Index(writes)
    for each in answered:
        about = index.subjects(each)
        read |= {*(each.seen or ()), *filter(None, [each.id])}
        found.add(about, each.seen or {}, each.began, each.ended or each.began, {**during, **ALWAYS})
    for back in read_backs:
        found.add({*writes, *back.documents}, back.documents, back.began, back.ended, AT_THE_END | ALWAYS)
    return found.judgement(len(answered), read)


Shown = Mapping[tuple[str, str], float]  # id and sha256 → the end of the first read that showed it


def _shown(answered: Iterable[Operation]) -> Shown:
    ends = dict[tuple[str, str], float]()
    for read in answered:
        for version in (read.seen or {}).items():
            ends[version] = min(ends.get(version, EVER), EVER if read.ended is None else read.ended)
    return ends


class _Index:
    """The ids that were written, sorted; and for each, when it or any later id was first sent: that never decreases."""

    def __init__(self, writes: Mapping[str, Sequence[Operation]]) -> None:
        self._writes = writes
        self._ids = sorted(writes)
        began = (writes[id_][0].began for id_ in reversed(self._ids))
        self._began = [*accumulate(began, min)][::-1]

    def subjects(self, read: Operation) -> set[str]:
        """Return the ids that a read says something about: of those that were sent later it says nothing."""
        if read.id is not None:
            return {read.id}
        seen = read.seen or {}
        last = min((id_ for id_ in seen if id_ in self._writes), default=None)
        if last is None:
            return {*seen}
        return {*seen, *self._ids[bisect_left(self._ids, last) : bisect_right(self._began, read.ended or read.began)]}


class _Found:
    """Findings by name, as sets of ids."""

    def __init__(self, writes: Mapping[str, Sequence[Operation]], shown: Shown) -> None:
        self._writes = writes
        self._shown = shown
        self._ids = defaultdict[str, set[str]](set)

    def add(
        self, about: Iterable[str], seen: Mapping[str, str], began: float, ended: float, names: Mapping[str, str]
    ) -> None:
        """Judge one read of the documents `about`. `names` are the findings by state."""
        for id_ in about:
            state = _state(self._writes.get(id_, ()), seen.get(id_), began, ended, self._shown)
            if state in names:
                self._ids[names[state]].add(id_)

    def judgement(self, reads: int, read: set[str]) -> Judgement:
        self._ids["stale"] -= self._ids["lost"] | self._ids["regressed"] | self._ids["resurrected"]
        bad = set[str]().union(*(self._ids[name] for name in FINDINGS))
        acknowledged = {id_ for id_, (first, *_) in self._writes.items() if first.outcome == "acknowledged"}
        return Judgement(
            **{name: tuple(sorted(self._ids[name])) for name in (*FINDINGS, "recovered")},
            reads=reads,
            stable=len(read - bad),
            never_read=len(acknowledged - read),
        )


def _state(writes: Sequence[Operation], seen: str | None, began: float, ended: float, shown: Shown) -> str:
    """Return the name of a document's state as it was seen; None is an absent one. `writes` are its own."""
    if seen is None and (not writes or writes[0].began > ended):
        return "right"
    last = len(writes) - 1
    while last >= 0 and not (_settled(writes[last], began) or _was_shown(writes[last], began, shown)):
        last -= 1
    settled = writes[last].sha256 if last >= 0 else None  # None after a deletion, too
    if seen == settled:
        return "right" if last < 0 or _settled(writes[last], began) else "recovered"
    possible = {
        each.sha256
        for n, each in enumerate(writes)
        if each.began <= ended and (n > last or each.outcome != "acknowledged")
    }
    if seen in possible:
        return "recovered"
    if seen is None:
        return "absent"
    same = [each for each in writes if each.sha256 == seen]
    if not same:
        return "corrupt" if writes else "unexpected"
    if all(each.began > ended for each in same):
        return "unexpected"
    return "revived" if settled is None else "older"


def _settled(write: Operation, at: float) -> bool:
    """Return whether the write had been acknowledged before this time. The order of equal times is unknown."""
    return write.outcome == "acknowledged" and write.ended is not None and write.ended < at


def _was_shown(write: Operation, at: float, shown: Shown) -> bool:
    """Return whether a read that had ended before this time had shown the write."""
    return shown.get((write.id or "", write.sha256 or ""), EVER) < at
