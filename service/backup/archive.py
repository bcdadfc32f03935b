"""A backup on disk: a compressed file for each collection, and a manifest with their counts and hashes.

    2026-11-28T02-00-00Z/data.bson.gz     BSON documents one after another, by ascending _id
    2026-11-28T02-00-00Z/manifest.json    written last: a directory without it is no backup

A backup is written under another name, and gets its own when it is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import orjson

FORMAT = 1
MANIFEST = "manifest.json"
PARTIAL = ".partial"
COMPRESSION = 1  # gzip's fastest: a third of the time of its default, for a tenth more bytes
BUFFER = 1 << 20  # bytes
SHORTEST_DOCUMENT, LONGEST_DOCUMENT = 5, 16 << 20 | 1 << 14  # bytes; MongoDB stores 16 MiB and a little

_LENGTH = struct.Struct("<i")


class BackupError(Exception):
    """A backup can't be made, is damaged, or can't be restored. The message is one sentence for the operator."""


@dataclass(frozen=True)
class Content:
    """A collection's content at the backup's moment."""

    documents: int
    bytes: int
    sha256: str  # of its documents' BSON, by ascending _id


@dataclass(frozen=True)
class Manifest:
    """A backup's content and moment."""

    database: str
    moment: str  # RFC 3339
    cluster_time: tuple[int, int]  # the same as MongoDB's Timestamp
    collections: dict[str, Content]


class Tally:
    """Counts and hashes documents as they pass."""

    def __init__(self) -> None:
        self._documents = self._bytes = 0
        self._hash = hashlib.sha256()

    def add(self, batch: bytes) -> None:
        """Add whole documents. Raise BackupError if they are not."""
        offset, size = 0, len(batch)
        while offset < size:
            length = _length(batch[offset : offset + _LENGTH.size])
            offset += length
            self._documents += 1
        if offset > size:
            raise BackupError("A document is cut off.")
        self._bytes += size
        self._hash.update(batch)

    def content(self) -> Content:
        return Content(self._documents, self._bytes, self._hash.hexdigest())


class Writer:
    """A backup that is being made. It is there only if the block ends well and with a manifest."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / name
        self._partial = root / (name + PARTIAL)
        self._root = root

    def __enter__(self) -> Self:
        """Make the root, and remove what an earlier call left. Raise BackupError if another call is at work."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise BackupError(f"Another backup is being made in {self._root}.") from error
        for each in self._root.glob(f"*{PARTIAL}"):
            shutil.rmtree(each)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
        os.close(self._lock)

    @contextlib.contextmanager
    def collection(self, name: str) -> Iterator[BinaryIO]:
        """Open the file of a collection. Its bytes are on the disk at the end."""
        with self._file(f"{name}.bson.gz") as file:
            with gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as packed:
                yield packed  # type: ignore[misc]
            _sync(file)

    def finish(self, manifest: Manifest) -> None:
        with self._file(MANIFEST) as file:
            file.write(orjson.dumps({"format": FORMAT, **asdict(manifest)}, option=orjson.OPT_INDENT_2))
            _sync(file)
        self._partial.rename(self.path)
        os.fsync(self._lock)

    def _file(self, name: str) -> BinaryIO:
        self._partial.mkdir(exist_ok=True)  # not before: a full volume may get room first
        return (self._partial / name).open("wb")


def backups(root: Path) -> list[Path]:
    """Return the complete backups in a directory, the oldest first."""
    return sorted(each.parent for each in root.glob(f"*/{MANIFEST}") if not each.parent.name.endswith(PARTIAL))


def find(path: Path) -> Path:
    """Return the backup at a path, or the newest below it. Raise BackupError."""
    if (path / MANIFEST).exists():
        return path
    if found := backups(path):
        return found[-1]
    raise BackupError(f"{path} is no backup and has none.")


def prune(root: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups. Return those that were removed."""
    removed = backups(root)[:-keep]
    for each in removed:
        (each / MANIFEST).unlink()  # first: what is half removed is no backup
        shutil.rmtree(each)
    return removed


def read_manifest(backup: Path) -> Manifest:
    """Raise BackupError if it can't be read."""
    try:
        read: dict[str, Any] = orjson.loads((backup / MANIFEST).read_bytes())
        if read.pop("format") != FORMAT:
            raise BackupError(f"{backup} has another format than {FORMAT}.")
        collections = {name: Content(**content) for name, content in read.pop("collections").items()}
        seconds, increment = read.pop("cluster_time")
        return Manifest(**read, cluster_time=(seconds, increment), collections=collections)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupError(f"The manifest of {backup} can't be read: {error}") from error


def documents(backup: Path, name: str) -> Iterator[bytes]:
    """Yield a collection's documents as BSON. Raise BackupError where the file is damaged."""
    path = backup / f"{name}.bson.gz"
    try:
        with io.BufferedReader(gzip.GzipFile(path), BUFFER) as file:
            while head := file.read(_LENGTH.size):
                rest = file.read(_length(head) - _LENGTH.size)
                if len(head) + len(rest) != _length(head):
                    raise BackupError(f"{path} ends within a document.")
                yield head + rest
    except (OSError, EOFError, zlib.error) as error:
        raise BackupError(f"{path} can't be read: {error}") from error


def check(backup: Path) -> Manifest:
    """Read the whole backup, and compare it with its manifest. Raise BackupError at a difference."""
    manifest = read_manifest(backup)
    for name, expected in manifest.collections.items():
        tally = Tally()
        for document in documents(backup, name):
            tally.add(document)
        require(expected, tally.content(), f"{backup / name}.bson.gz")
    return manifest


def require(expected: Content, found: Content, where: str) -> None:
    """Raise BackupError if a collection is not what the manifest says."""
    if found.documents != expected.documents:
        raise BackupError(f"{where} has {found.documents:,} documents, and the manifest says {expected.documents:,}.")
    if found != expected:
        raise BackupError(f"{where} has other documents than the manifest says: the hashes differ.")


def _length(head: bytes) -> int:
    if len(head) < _LENGTH.size:
        raise BackupError("A document is cut off.")
    length: int = _LENGTH.unpack(head)[0]
    if not SHORTEST_DOCUMENT <= length <= LONGEST_DOCUMENT:
        raise BackupError(f"A document claims to have {length:,} bytes.")
    return length


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
