"""The MongoDB users that should exist, read from the files of a mounted Secret, and their roles.

A user has one password, and a running program knows one user. So that a password can change while requests go on, each
program has two names of which it uses one: `service` and `service-b`, `dashboard` and `dashboard-b`. While both are
in the Secret, the second as the previous one, both can connect.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROLES_DATABASE = "admin"
PAIRS = {"service": ("service", "service-b"), "dashboard": ("dashboard", "dashboard-b")}

Privilege = dict[str, Any]


class MissingSecret(Exception):
    """A file of the Secret is missing or empty. The message is one sentence for the operator."""


@dataclass(frozen=True)
class User:
    """A user that should exist, with one role."""

    name: str
    password: str = field(repr=False)
    role: str


@dataclass(frozen=True)
class Users:
    """All users that should exist, and the names of those to drop: of each pair, what is not current or previous."""

    current: tuple[User, ...]
    retired: frozenset[str]


def read_users(directory: Path) -> Users:
    """Read the Secret's files. Raise MissingSecret."""
    users = [User("admin", _read(directory, "admin-password"), "root")]
    retired = set()
    for role, names in PAIRS.items():
        name = _optional(directory, f"{role}-user") or role
        users.append(User(name, _read(directory, f"{role}-password"), role))
        retired |= {*names} - {name, _optional(directory, f"previous-{role}-user")}
    return Users(tuple(users), frozenset(retired))


def privileges(database: str) -> dict[str, list[Privilege]]:
    """Return {role: privileges} of the two programs: what they do and no more."""
    data, proofs = ({"db": database, "collection": name} for name in ("data", "proofs"))
    write = ["find", "insert", "update", "remove"]
    read = ["find", "changeStream", "collStats"]
    return {
        "service": [
            {"resource": data, "actions": write},
            {"resource": proofs, "actions": [*write, "createIndex", "collMod"]},
        ],
        "dashboard": [
            {"resource": data, "actions": read},
            {"resource": proofs, "actions": read},
            {"resource": {"db": database, "collection": ""}, "actions": ["dbStats"]},
            {"resource": {"cluster": True}, "actions": ["serverStatus"]},
        ],
    }


def _read(directory: Path, name: str) -> str:
    if not (text := _optional(directory, name)):
        raise MissingSecret(f"{directory / name} is missing or empty: the Secret needs the key {name}.")
    return text


def _optional(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text().strip()
    except FileNotFoundError:
        return ""
