"""Where the totals of a load contradict each other: they are counted since its start, so none falls. Pure."""

from collections.abc import Iterator

from dashboard.load.options import LoadTotals

COUNTS = ("offered", "sent", "achieved", "dropped", "errors")


def contradictions(before: LoadTotals, totals: LoadTotals) -> Iterator[str]:
    """Yield what `totals` have that can't follow those `before`, as sentences."""
    kinds = sum(totals.by_kind.values())
    if kinds != totals.errors:
        yield f"the load has {totals.errors} errors, by kind {kinds}"
    pairs = [(name, getattr(before, name), getattr(totals, name)) for name in COUNTS]
    pairs += [(kind, count, totals.by_kind.get(kind, 0)) for kind, count in before.by_kind.items()]
    yield from (f"the load's {name} fell from {more} to {less}" for name, more, less in pairs if less < more)
