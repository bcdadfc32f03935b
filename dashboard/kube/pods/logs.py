"""A container's log as blocks of whole lines."""

from collections.abc import Iterable, Iterator

from dashboard.kube.pods.details import LogSource

LONGEST_TAIL = 2_000  # lines
LONGEST_LINE = 16 << 10  # bytes
POLL_SECONDS = 1.0  # between two looks at what may end a log: its pods, or its viewer


class TextLog:
    """A container's log as blocks of whole lines (implements kube.pods.details.LogSource)."""

    def __init__(self, log: LogSource) -> None:
        self._log = log

    def pieces(self) -> Iterator[bytes]:
        return whole_lines(self._log.pieces())

    def close(self) -> None:
        self._log.close()


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data as blocks of whole UTF-8 lines. Long lines are cut, and end with the number of missing bytes."""
    line, lost = bytearray(), 0
    for piece in pieces:
        *ends, rest = piece.split(b"\n")
        whole = bytearray()
        for end in ends:
            lost += _extend(line, end)
            whole += _clean(line, lost)
            line.clear()
            lost = 0
        lost += _extend(line, rest)
        if whole:
            yield bytes(whole)
    if line:
        yield _clean(line, lost)


def _extend(line: bytearray, more: bytes) -> int:
    """Append the bytes that still fit. Return the number of the others."""
    room = LONGEST_LINE - len(line)
    line += more[:room]
    return max(0, len(more) - room)


def _clean(line: bytearray, lost: int) -> bytes:
    """Return the line as valid UTF-8. A character that the cut split is dropped."""
    text = line.decode("utf-8", "ignore" if lost else "replace")
    return f"{text}{f' … and {lost} bytes more' if lost else ''}\n".encode()
