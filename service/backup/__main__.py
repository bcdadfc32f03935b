"""python -m service.backup create | check | restore"""

from __future__ import annotations

import argparse
import errno
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from service import logs
from service.backup import archive
from service.backup.archive import BackupError, Manifest, Writer
from service.backup.database import Database
from service.config import BackupConfig
from webserver.environment import ConfigError

FULL = {errno.ENOSPC, errno.EDQUOT}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    began = time.monotonic()
    try:
        manifest, path = COMMANDS[options.command](options)
    except (BackupError, ConfigError, OSError) as error:
        raise SystemExit(f"backup: {error}") from None
    counts = {name: content.documents for name, content in manifest.collections.items()}
    size = sum(content.bytes for content in manifest.collections.values())
    seconds = round(time.monotonic() - began, 2)
    logs.write(options.command, path=path, moment=manifest.moment, documents=counts, bytes=size, seconds=seconds)


def create(options: argparse.Namespace) -> tuple[Manifest, Path]:
    """Make a backup, and remove those that are too many: before it too, since a full volume ends it.

    Where there is no room for it, the oldest one gives way to the next call's. The newest one always stays.
    """
    config = BackupConfig.from_environment()
    name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    with Database(config.mongodb_uri, config.mongodb_database) as database, Writer(options.path, name) as writer:
        _prune(options.path, config.keep)
        try:
            manifest = database.backup(config.collections, writer)
        except OSError as error:
            if error.errno not in FULL:
                raise
            _prune(options.path, max(1, config.keep - 1))
            raise BackupError(
                f"The volume of {options.path} is full: make it larger, or keep fewer backups (KEEP={config.keep})."
            ) from error
        _prune(options.path, config.keep)
    return manifest, writer.path


def _prune(root: Path, keep: int) -> None:
    for removed in archive.prune(root, keep):
        logs.write("removed", path=removed)


def check(options: argparse.Namespace) -> tuple[Manifest, Path]:
    """Read a backup, and compare it with its manifest."""
    path = archive.find(options.path)
    return archive.check(path), path


def restore(options: argparse.Namespace) -> tuple[Manifest, Path]:
    """Put a backup's documents into the database."""
    config = BackupConfig.from_environment()
    path = archive.find(options.path)
    with Database(config.mongodb_uri, config.mongodb_database) as database:
        return database.restore(path, replace=options.replace), path


COMMANDS = {"create": create, "check": check, "restore": restore}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m service.backup", description="Back up and restore the documents.")
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("create", help="back up into a new directory below PATH")
    checked = commands.add_parser("check", help="compare a backup with its manifest")
    restored = commands.add_parser("restore", help="restore a backup into an empty database")
    made.add_argument("path", type=Path, metavar="PATH")
    for each in (checked, restored):
        each.add_argument("path", type=Path, metavar="PATH", help="a backup, or a directory: then its newest backup")
    restored.add_argument("--replace", action="store_true", help="delete the documents that are there first")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
