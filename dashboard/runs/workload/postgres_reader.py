"""Reads a run's documents from PostgreSQL directly, without the service.

It reads rows that are committed. PostgreSQL has written a commit to its disk before it shows the rows to others, unless
the application has turned `synchronous_commit` off: then the rows that a kill costs are acknowledged and lost.
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping

from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]

from dashboard.core.errors import ExternalError
from dashboard.runs.workload.document import digest
from dashboard.runs.workload.ledger import LARGEST
from dashboard.runs.workload.primary import Primary
from dashboard.target.postgresql import PLACE, PostgresTarget, address, column, identifiers

ANSWER_SECONDS = 1.0  # for the server to say who it is, the connection included
READ_SECONDS = 30.0  # for all documents of a run
STATEMENT_SECONDS = 25.0  # for a statement: the server then says so, which it can't once the connection is cut off
PAGE = 1000  # rows
LONGEST = 200  # bytes of an id or a payload that are read: the run's own have 96 at most, and any longer one differs
DETAIL_LENGTH = 200  # characters of the server's error
IDENTITY = "SELECT pg_is_in_recovery(), extract(epoch FROM pg_postmaster_start_time())::text"

NO_TABLE = "42P01"
REFUSALS = ("28", "3D", "42")  # beginnings of SQLSTATEs: the server is there, and does not let this user in
ADVICE = {  # by the beginning of an SQLSTATE: what to do about it
    "28": "let the user of {place}.url in, with the password in the secret of {place}.password",
    "3D": "name the service's own database in {place}.url",
    "42501": "GRANT SELECT ON {table} TO {user}, and USAGE on its schema",
    "42703": "name the columns of {table} in {place}",
    "42883": "a place within a column needs one of the type json or jsonb: see {place}",
    "57014": "make an index on the run's column of {table}",
}

log = logging.getLogger(__name__)


class PostgresReader:
    """Implements `runs.ports.DatabaseReader`. Each call has a connection of its own, so none is left of a server that
    was killed, and none holds up one that is told to end, which may wait for its clients."""

    reads = True
    database = "postgresql"

    def __init__(self, target: PostgresTarget, password: str, at: tuple[str, int] | None = None) -> None:
        """`at` are the host and the port by which it is reached, where they are others than the URL's."""
        self._address = address(target.url)
        self._at = at or (self._address.host, self._address.port)
        self._password = password
        self._table = target.table
        self._query, self._keys = _query(target)
        self.place: str | None = f"the table {target.table} ({PLACE} in the target's file)"
        self.problem = ""
        self.note: str | None = f"The database itself is read, too: {self.place}, at {self._at[0]}:{self._at[1]}"

    def primary(self) -> Primary | None:
        try:
            with self._connected(ANSWER_SECONDS) as connection:
                ((is_standby, started),) = connection.run(IDENTITY)
        except Exception as error:  # the driver trusts what a server sends, and raises anything where that is wrong
            if _state(error).startswith(REFUSALS):
                raise ExternalError(self._reason(error)) from error
            log.debug("no answer of PostgreSQL: %s", error)
            self.problem = self._reason(error)
            return None
        self.problem = f"PostgreSQL at {self._at[0]}:{self._at[1]} is a standby." if is_standby else ""
        return None if is_standby else Primary(str(started), self._at[0])

    def read(self, run: str) -> Mapping[str, str]:
        try:
            with self._connected(READ_SECONDS) as connection:
                return self._documents(connection, run)
        except ExternalError:
            raise
        except Exception as error:  # as above
            if _state(error) == NO_TABLE:
                return {}  # an empty database in the place of the old one has none: its documents are lost
            raise ExternalError(self._reason(error)) from error

    def _documents(self, connection: Connection, run: str) -> dict[str, str]:
        """Read by a cursor, of which a page is in memory at a time: a page of one snapshot."""
        connection.run("START TRANSACTION READ ONLY")
        connection.run(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000:.0f}")
        if connection.run("SELECT pg_is_in_recovery()") != [[False]]:
            raise ExternalError(f"This PostgreSQL is a standby: let {PLACE}.url lead to the primary.")
        connection.run(f"DECLARE documents NO SCROLL CURSOR FOR {self._query}", run=run, **self._keys)
        found: dict[str, str] = {}
        while rows := connection.run(f"FETCH {PAGE} FROM documents"):
            for id_, payload in rows:
                if (key := str(_text(id_))) in found:
                    raise ExternalError(f"{self._table} has the id {key} in two rows: {PLACE}.id must be its key.")
                found[key] = digest(_text(payload))
            if len(found) > LARGEST:
                raise ExternalError(f"The database has more than {LARGEST:,} documents of this run.")
        return found

    @contextlib.contextmanager
    def _connected(self, seconds: float) -> Iterator[Connection]:
        """Yield a connection that is cut off after `seconds`: a socket's own timeout holds for one read each."""
        with socket.create_connection(self._at, seconds) as link:
            cut = threading.Timer(seconds, _cut, [link])
            cut.daemon = True
            cut.start()
            try:
                connection = Connection(
                    self._address.user,
                    sock=link,
                    database=self._address.database,
                    password=self._password,
                    ssl_context=False,
                    application_name="dashboard-proofs",
                    startup_params={"client_encoding": "UTF8"},
                )
                try:
                    yield connection
                finally:
                    with contextlib.suppress(Exception):
                        connection.close()
            finally:
                cut.cancel()
                cut.join()
                close(link)

    def _reason(self, error: Exception) -> str:
        """Return why it can't be read and what to do, as a sentence."""
        at = f"{self._at[0]}:{self._at[1]}"
        if not (state := _state(error)):
            way = f"see whether it runs, and whether {PLACE}.url and the network policies lead there"
            return f"PostgreSQL does not answer at {at} ({type(error).__name__}): {way}."
        said = " ".join(str(error.args[0].get("M", "")).split())[:DETAIL_LENGTH]
        advice = next((each for beginning, each in ADVICE.items() if state.startswith(beginning)), "see its log")
        named = advice.format(place=PLACE, table=self._table, user=self._address.user)
        return f"PostgreSQL at {at} can't be read, {state}, {said}: {named}."


def _query(target: PostgresTarget) -> tuple[str, dict[str, list[str]]]:
    """Return the query for the ids and payloads of a run, and its parameters but for `run`. The names are quoted, and
    everything else that the file says is a parameter. Bytes come as digits: a corrupt text may be none."""
    keys: dict[str, list[str]] = {}

    def text(name: str) -> str:
        found = column(getattr(target, name))
        if not found.keys:
            return f"{_quoted(found.name)}::text"
        keys[f"{name}_keys"] = [*found.keys]
        return f"({_quoted(found.name)} #>> :{name}_keys)"

    found = (f"encode(substring(textsend({text(name)}) FROM 1 FOR {LONGEST}), 'hex')" for name in ("id", "payload"))
    table = ".".join(map(_quoted, identifiers(target.table)))
    query = f"SELECT {', '.join(found)} FROM {table} WHERE {text('run')} = :run"  # noqa: S608 - names are validated
    return query, keys


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _text(digits: str | None) -> str | None:
    return None if digits is None else bytes.fromhex(digits).decode("utf-8", "replace")


def _state(error: Exception) -> str:
    """Return the SQLSTATE of a server's error, "" for any other."""
    is_servers = isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict)
    return str(error.args[0].get("C", "")) if is_servers else ""


def _cut(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def close(link: socket.socket) -> None:
    """Close the connection now. A socket's own `close` waits for the driver's file of it, which an error may hold."""
    if (descriptor := link.detach()) >= 0:  # else the driver has closed it
        os.close(descriptor)
