"""Where a PostgreSQL has the documents of the service under proof, as the target's file says it. Pure."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from dashboard.target import pointer, template
from dashboard.target.contract import Contract

PLACE = "database.postgresql"  # of the file
PORT = 5432
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}")  # PostgreSQL itself would cut a longer one
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


class PostgresTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """A table with a row for each document. `id`, `payload` and `run` are its columns, or places in a column of JSON
    (Column). `password` names a secret, as a contract's header does."""

    url: str
    table: str
    id: str
    payload: str
    run: str
    password: str = ""


class PostgresAddress(Struct, frozen=True):
    """What the URL says."""

    host: str
    port: int
    user: str
    database: str


class Column(Struct, frozen=True):
    """`text` is the column of that name, `document/body/text` a place in the column `document` of JSON: what follows
    the name is a JSON Pointer (RFC 6901)."""

    name: str
    keys: tuple[str, ...] = ()


def address(url: str) -> PostgresAddress:
    """Return what an address such as postgresql://reader@notes-db:5432/notes says. Raise ValueError."""
    parts = urlsplit(url)
    database = unquote(parts.path.removeprefix("/"))
    host, user = parts.hostname or "", unquote(parts.username or "")
    if parts.scheme not in ("postgresql", "postgres") or parts.port == 0 or parts.query or parts.fragment:
        raise ValueError(url)
    if not _HOST.fullmatch(host) or not all(each and each.isprintable() for each in (user, database)):
        raise ValueError(url)
    return PostgresAddress(host, parts.port or PORT, user, database)


def column(text: str) -> Column:
    """Return the column. Raise ValueError."""
    name, slash, rest = text.partition("/")
    if not _IDENTIFIER.fullmatch(name) or not pointer.is_valid(slash + rest) or not text.isprintable():
        raise ValueError(text)
    return Column(name, tuple(pointer.keys(slash + rest)))


def identifiers(table: str) -> tuple[str, ...]:
    """Return a table's name, perhaps after its schema's. Raise ValueError."""
    names = tuple(table.split("."))
    if len(names) > 2 or not all(map(_IDENTIFIER.fullmatch, names)):
        raise ValueError(table)
    return names


def secret(password: str) -> str | None:
    """Return the name of the password's secret; None if there is no password. Raise ValueError."""
    if not password:
        return None
    (name,) = template.secrets(password) or [""]
    if f"{{secret:{name}}}" != password:
        raise ValueError(password)
    return name


def problems(target: PostgresTarget, contract: Contract | None) -> Iterator[str]:
    """Yield what is wrong, as sentences that never quote a password."""
    if ":" in target.url.partition("://")[2].rpartition("@")[0]:
        yield f"{PLACE}.url has a password, which would stand in a ConfigMap: name its secret in {PLACE}.password."
    elif not _holds(address, target.url):
        yield f"{PLACE}.url must be an address such as postgresql://reader@notes-db:5432/notes, and no more."
    if not _holds(secret, target.password):
        yield f"{PLACE}.password must be the name of a secret, such as '{{secret:notes-db/password}}', and no more."
    if not _holds(identifiers, target.table):
        yield f"{PLACE}.table must be a table such as notes or public.notes: {target.table!r}."
    for name in ("id", "payload", "run"):
        text = getattr(target, name)
        if not _holds(column, text):
            yield f"{PLACE}.{name} must be a column such as text, or a place in one such as document/text: {text!r}."
    for name, route in (("write", contract.write), ("replace", contract.replace)) if contract else ():
        if not route or route.method == "PATCH":  # which leaves the run as it was stored
            continue
        if "run" not in {*template.placeholders([route.path, route.body])}:
            yield f"contract: {name} does not store the run, by which the rows are found: put {{run}} into its body."


def _holds(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
