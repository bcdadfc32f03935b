"""Operations of a workload, as its ledger has them."""

from dashboard.runs.workload.operation import Kind, Operation, Outcome


def write(began: float, ended: float | None, outcome: Outcome = "acknowledged", kind: Kind = "post") -> Operation:
    return Operation(0, kind, "a", began, ended, "open" if ended is None else outcome)


def read(began: float, ended: float | None) -> Operation:
    return Operation(
        0, "get", "a", began, ended, "open" if ended is None else "seen", seen=None if ended is None else {}
    )


def acknowledgements(*times: float) -> list[Operation]:
    return [write(at - 0.1, at) for at in times]
