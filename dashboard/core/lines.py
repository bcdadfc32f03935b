"""Lines of data that arrives in pieces."""

from collections.abc import Iterator


class LineTooLong(ValueError):
    """A line is longer than it may be."""


class LineSplitter:
    """Splits data into lines as it arrives. `rest` is the beginning of the next line."""

    def __init__(self, longest: int) -> None:
        self.rest = bytearray()
        self._longest = longest

    def split(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that the data completes, without their ends. Raise LineTooLong."""
        searched = len(self.rest)
        self.rest += data
        while (end := self.rest.find(b"\n", searched)) >= 0:
            yield bytes(self.rest[:end])
            del self.rest[: end + 1]
            searched = 0
        if len(self.rest) > self._longest:
            raise LineTooLong
