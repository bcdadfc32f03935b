"""What is read back from a real PostgreSQL, what is found that nobody wrote, and how long a server is waited for."""

import contextlib
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pg8000
import pytest

from dashboard.core.errors import ExternalError
from dashboard.dataservice.protocol import DataServiceUnavailable
from dashboard.runs.ports import DatabaseReader
from dashboard.runs.workload import postgres_reader
from dashboard.runs.workload.document import digest
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.judge import FINDINGS, judge
from dashboard.runs.workload.operation import Operation, ReadBack
from dashboard.runs.workload.postgres_reader import PostgresReader
from dashboard.runs.workload.writers import ServiceWriters
from dashboard.target.ids import Uuids
from dashboard.target.postgresql import PostgresTarget
from dashboard.target.service import DocumentPage, FoundDocument, WriteRoute, Written
from dashboard.target.template import Value
from dashboard.target.validation import parse
from tests.dashboard.stubs import wait_until
from tests.postgresql import Postgres
from tools.local.mongod import free_port

TABLE = "CREATE TABLE notes (id uuid PRIMARY KEY, text text, run text)"
RUN = "run-1"
CONTRACT = """
write: &write {path: "/notes/{id}", body: {text: "{payload}", run: "{run}"}}
replace: *write
read: {path: "/notes/{id}", payload: /text}
"""
STORE = "INSERT INTO notes VALUES (:id, :text, :run) ON CONFLICT (id) DO UPDATE SET text = EXCLUDED.text"


LATE_SECONDS = 3.0  # by which a busy machine may be late


@contextlib.contextmanager
def taking(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert seconds - 0.1 <= time.monotonic() - began <= seconds + LATE_SECONDS


def reader_of(url: str, password: str = "", **changes: str) -> PostgresReader:
    said = {"url": url, "table": "notes", "id": "id", "payload": "text", "run": "run", **changes}
    return PostgresReader(PostgresTarget(**said), password)


@pytest.fixture
def notes(postgresql: Postgres) -> Iterator[Postgres]:
    """The server with an empty table."""
    postgresql.run("DROP TABLE IF EXISTS notes")
    postgresql.run(TABLE)
    yield postgresql


@pytest.fixture
def reader(notes: Postgres) -> PostgresReader:
    return reader_of(notes.url, notes.password)


class Notes:
    """Implements DocumentService, as examples/notes does it, by the same statements."""

    contract = parse(CONTRACT)

    def __init__(self, server: Postgres) -> None:
        self._server = server

    def write(self, route: WriteRoute, values: Mapping[str, Value]) -> Written:
        try:
            self._server.run(STORE, id=values["id"], text=values["payload"], run=values["run"])
        except (pg8000.Error, OSError) as error:
            return Written("unknown", str(error))
        return Written("acknowledged")

    def read(self, id_: str) -> FoundDocument | None:
        try:
            rows = self._server.run("SELECT text FROM notes WHERE id = :id", id=id_)
        except (pg8000.Error, OSError) as error:
            raise DataServiceUnavailable(str(error)) from error
        return FoundDocument(id_, rows[0][0]) if rows else None

    def newest(self) -> DocumentPage:
        raise NotImplementedError

    def search(self, run: str, path: str | None = None) -> DocumentPage:
        raise NotImplementedError


class Journal:
    """Writes through the service, one write after another, and keeps what a ledger keeps."""

    def __init__(self, server: Postgres) -> None:
        self.operations: list[Operation] = []
        self._service = Notes(server)
        self._ids = Uuids()

    def write(self, id_: str = "", version: int = 1) -> str:
        id_ = id_ or self._ids.new()
        payload, began = f"{version} of {id_}", time.monotonic()
        self._service.write("write", {"id": id_, "payload": payload, "run": RUN})
        kind = "post" if version == 1 else "put"
        self.operations.append(
            Operation(0, kind, id_, began, time.monotonic(), "acknowledged", version, digest(payload))  # type: ignore[arg-type]
        )
        return id_

    def found(self, reader: DatabaseReader) -> dict[str, tuple[str, ...]]:
        """Read back, and return the findings."""
        began = time.monotonic()
        back = ReadBack("database", began, time.monotonic(), reader.read(RUN))
        judgement = judge(self.operations, [back])
        return {name: ids for name in FINDINGS if (ids := getattr(judgement, name))}


class TestReading:
    def test_run_of_the_writers_is_read_as_it_was_written(self, notes: Postgres, reader: PostgresReader) -> None:
        writers = ServiceWriters(Notes(notes), RUN)
        writers.start()
        wait_until(lambda: len(writers.ledger.operations()) > 60)
        writers.stop()
        assert writers.write()
        from_service, from_database = writers.read(threading.Event()), reader.read(RUN)
        assert from_database == from_service and len(from_database) > 40
        backs = [ReadBack("database", 1e9, 1e9, from_database)]
        assert not [name for name in FINDINGS if getattr(judge(writers.ledger.operations(), backs), name)]

    def test_rows_of_other_runs_are_not_read(self, notes: Postgres, reader: PostgresReader) -> None:
        id_ = Journal(notes).write()
        notes.run(
            "INSERT INTO notes VALUES (gen_random_uuid(), 'of another', 'run-2'), (gen_random_uuid(), NULL, NULL)"
        )
        assert [*reader.read(RUN)] == [id_]
        assert reader.read("run-3") == reader.read("' OR ''='") == {}

    def test_pages_are_of_one_snapshot_and_all_are_read(
        self, notes: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_reader, "PAGE", 7)
        notes.run("INSERT INTO notes SELECT gen_random_uuid(), 'text ' || n, 'run-1' FROM generate_series(1, 50) n")
        assert {*reader.read(RUN).values()} == {digest(f"text {n}") for n in range(1, 51)}

    def test_more_documents_than_a_run_can_have_are_refused(
        self, notes: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_reader, "LARGEST", 49)
        notes.run("INSERT INTO notes SELECT gen_random_uuid(), 'text', 'run-1' FROM generate_series(1, 50)")
        with pytest.raises(ExternalError, match="more than 49"):
            reader.read(RUN)

    def test_names_are_quoted_and_places_in_json_are_found(self, notes: Postgres) -> None:
        notes.run('CREATE SCHEMA IF NOT EXISTS "select"')
        notes.run('DROP TABLE IF EXISTS "select"."Order-1"')
        notes.run('CREATE TABLE "select"."Order-1" (document jsonb, "user" json, "group" text)')
        document, user = {"a/b": {"id": "1"}}, {"text": ["first", "é"]}
        notes.run(
            'INSERT INTO "select"."Order-1" VALUES (:document, :user, :run)',
            document=json.dumps(document), user=json.dumps(user), run=RUN,
        )  # fmt: skip
        said = {"table": "select.Order-1", "id": "document/a~1b/id", "payload": "user/text/1", "run": "group"}
        assert reader_of(notes.url, notes.password, **said).read(RUN) == {"1": digest("é")}
        said["payload"] = "user/text/7"
        assert reader_of(notes.url, notes.password, **said).read(RUN) == {"1": digest(None)}

    def test_same_id_twice_is_refused(self, notes: Postgres) -> None:
        notes.run("INSERT INTO notes VALUES (gen_random_uuid(), 'a', 'run-1'), (gen_random_uuid(), 'a', 'run-1')")
        with pytest.raises(ExternalError, match="in two rows"):
            reader_of(notes.url, notes.password, id="text").read(RUN)

    def test_database_of_another_encoding_is_read_as_text(self, notes: Postgres) -> None:
        notes.run("DROP DATABASE IF EXISTS latin")
        notes.run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        notes.run(TABLE, "latin")
        notes.run("INSERT INTO notes VALUES (gen_random_uuid(), 'é', 'run-1')", "latin")
        found = reader_of(notes.url.replace("/notes", "/latin"), notes.password).read(RUN)
        assert [*found.values()] == [digest("é")]

    def test_read_only_user_is_enough_and_nothing_can_be_written(self, notes: Postgres) -> None:
        notes.run("DROP ROLE IF EXISTS reader")
        notes.run("CREATE ROLE reader LOGIN PASSWORD 'r'")
        journal = Journal(notes)
        journal.write()
        reader = reader_of(notes.url.replace("postgres@", "reader@"), "r")
        assert reader.primary()
        with pytest.raises(ExternalError, match="GRANT SELECT ON notes TO reader"):
            reader.read(RUN)
        notes.run("GRANT SELECT ON notes TO reader")
        assert journal.found(reader) == {}
        notes.run("DROP OWNED BY reader")


class TestFindings:
    """What happens behind the service's back."""

    def test_untouched_documents_have_no_finding(self, notes: Postgres, reader: PostgresReader) -> None:
        journal = Journal(notes)
        ids = [journal.write() for _ in range(3)]
        journal.write(ids[0], 2)
        assert journal.found(reader) == {}

    def test_removed_row_is_lost(self, notes: Postgres, reader: PostgresReader) -> None:
        journal = Journal(notes)
        gone, _ = journal.write(), journal.write()
        notes.run("DELETE FROM notes WHERE id = :id", id=gone)
        assert journal.found(reader) == {"lost": (gone,)}

    def test_missing_table_has_lost_all(self, notes: Postgres, reader: PostgresReader) -> None:
        journal = Journal(notes)
        ids = [journal.write() for _ in range(3)]
        notes.run("DROP TABLE notes")
        assert journal.found(reader) == {"lost": tuple(sorted(ids))}

    @pytest.mark.parametrize("text", ["of nobody", "", None, "x" * 10_000])
    def test_other_payload_is_corrupt(self, text: str | None, notes: Postgres, reader: PostgresReader) -> None:
        journal = Journal(notes)
        id_, _ = journal.write(), journal.write()
        notes.run("UPDATE notes SET text = :text WHERE id = :id", text=text, id=id_)
        assert journal.found(reader) == {"corrupt": (id_,)}

    def test_older_payload_has_regressed(self, notes: Postgres, reader: PostgresReader) -> None:
        journal = Journal(notes)
        id_ = journal.write()
        ((first,),) = notes.run("SELECT text FROM notes WHERE id = :id", id=id_)
        journal.write(id_, 2)
        notes.run("UPDATE notes SET text = :text WHERE id = :id", text=first, id=id_)
        assert journal.found(reader) == {"regressed": (id_,)}

    def test_row_that_nobody_wrote_is_unexpected(self, notes: Postgres, reader: PostgresReader) -> None:
        journal = Journal(notes)
        journal.write()
        other = Uuids().new()
        notes.run("INSERT INTO notes VALUES (:id, 'x', :run)", id=other, run=RUN)
        assert journal.found(reader) == {"unexpected": (other,)}

    def test_byte_that_rotted_on_the_disk_is_corrupt(self, notes: Postgres, reader: PostgresReader) -> None:
        """It makes the text invalid, which a driver could not decode."""
        journal = Journal(notes)
        id_, _ = journal.write(), journal.write()
        notes.stop()
        files = [path for path in notes.data.glob("base/*/*") if f"1 of {id_}".encode() in path.read_bytes()]
        for path in files:
            path.write_bytes(path.read_bytes().replace(f"1 of {id_}".encode(), b"\xff" + f" of {id_}".encode()))
        notes.start()
        assert files and journal.found(reader) == {"corrupt": (id_,)}


@pytest.mark.parametrize("end", [Postgres.kill, Postgres.stop])
@pytest.mark.parametrize("is_kept", [True, False])
def test_what_was_acknowledged_before_an_outage_is_lost_only_if_it_is(
    is_kept: bool, end: Callable[[Postgres], None], notes: Postgres, reader: PostgresReader
) -> None:
    """The negative control: rows that are gone when the server is back."""
    writers = ServiceWriters(Notes(notes), RUN)
    before = reader.primary()
    writers.start()
    wait_until(lambda: traffic.acknowledged(writers.ledger.operations()) >= 100)
    end(notes)
    wait_until(lambda: any(each.outcome == "unknown" for each in writers.ledger.operations()))
    notes.start()
    if not is_kept:
        notes.run("TRUNCATE notes")
    wait_until(lambda: reader.primary() not in (None, before))
    back = time.monotonic()
    wait_until(lambda: traffic.acknowledged(writers.ledger.operations(), since=back) >= 50)
    writers.stop()
    operations = writers.ledger.operations()
    judgement = judge(operations, [ReadBack("database", time.monotonic(), time.monotonic(), reader.read(RUN))])
    assert bool(judgement.lost) == (not is_kept)
    assert not is_kept or not [name for name in FINDINGS if getattr(judgement, name)]


class TestProcess:
    def test_is_another_after_each_start_and_none_while_it_is_down(
        self, notes: Postgres, reader: PostgresReader
    ) -> None:
        journal, seen = Journal(notes), [reader.primary()]
        journal.write()
        assert seen[0] and reader.primary() == seen[0] and seen[0].beside("notes-db-0") is None
        for end in (notes.kill, notes.stop):
            end()
            assert reader.primary() is None
            with pytest.raises(ExternalError, match="does not answer"):
                reader.read(RUN)
            notes.start()
            seen.append(reader.primary())
            assert journal.found(reader) == {}
        assert None not in seen and len({found.process for found in seen if found}) == 3

    def test_silent_server_is_waited_for_until_the_deadline(
        self, notes: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_reader, "READ_SECONDS", 1.5)
        notes.pause(True)
        try:
            with taking(1.0):
                assert reader.primary() is None
            with taking(1.5), pytest.raises(ExternalError, match="does not answer"):
                reader.read(RUN)
        finally:
            notes.pause(False)
        assert reader.primary() and reader.read(RUN) == {}

    def test_statement_that_waits_for_a_lock_ends_at_the_deadline(
        self, notes: Postgres, reader: PostgresReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_reader, "STATEMENT_SECONDS", 1.0)
        with notes.connected() as other:
            other.run("BEGIN")
            other.run("LOCK TABLE notes")
            with taking(1.0), pytest.raises(ExternalError, match=r"statement timeout.*: make an index"):
                reader.read(RUN)
            left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dashboard%'"
            wait_until(lambda: notes.run(left) == [[0]], 10)  # while the lock is held

    def test_standby_is_no_primary_and_is_not_read(self, notes: Postgres, reader: PostgresReader) -> None:
        notes.stop()
        (notes.data / "standby.signal").touch()
        try:
            notes.start()
            assert reader.primary() is None
            with pytest.raises(ExternalError, match="standby"):
                reader.read(RUN)
        finally:
            notes.stop()
            (notes.data / "standby.signal").unlink(missing_ok=True)
            notes.start()

    @pytest.mark.parametrize(
        ("changes", "password", "words"),
        [
            ({}, "wr0ng", "the secret of database.postgresql.password"),
            ({}, "", "the secret of database.postgresql.password"),
            ({"url": "postgresql://nobody@127.0.0.1:{port}/notes"}, "", "let the user"),
            ({"url": "postgresql://postgres@127.0.0.1:{port}/none"}, None, "name the service's own database"),
        ],
    )
    def test_refusal_says_what_to_do_and_never_the_password(
        self, changes: dict[str, str], password: str | None, words: str, notes: Postgres
    ) -> None:
        said = {"url": notes.url} | {name: text.format(port=notes.port) for name, text in changes.items()}
        reader = reader_of(password=notes.password if password is None else password, **said)
        for ask in (reader.primary, lambda: reader.read(RUN)):
            with pytest.raises(ExternalError) as caught:
                ask()
            assert words in str(caught.value) and "\n" not in str(caught.value)
            assert notes.password not in str(caught.value) and "wr0ng" not in str(caught.value)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [({"payload": "content"}, "name the columns of notes"), ({"payload": "text/a"}, "of the type json or jsonb")],
    )
    def test_column_that_is_not_there_says_what_to_do(
        self, changes: dict[str, str], words: str, notes: Postgres
    ) -> None:
        with pytest.raises(ExternalError, match=words):
            reader_of(notes.url, notes.password, **changes).read(RUN)


# Servers that are none: without a real PostgreSQL


@contextlib.contextmanager
def serving(answer: Callable[[Any], object]) -> Iterator[int]:
    """Yield the port of a server that answers each connection so."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                answer(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def garbage(connection: Any) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)


def unknown_message(connection: Any) -> None:
    connection.sendall(b"?\x00\x00\x00\x04")


def negative_length(connection: Any) -> None:
    connection.sendall(b"R\xff\xff\xff\xff" + b"\x00" * 50)


def starting_up(connection: Any) -> None:
    error = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
    connection.sendall(b"E" + (len(error) + 4).to_bytes(4, "big") + error)


def trickle(connection: Any) -> None:
    """Send notices for long, each soon enough for a read's own timeout."""
    for _ in range(200):
        connection.sendall(b"N\x00\x00\x00\x05\x00")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [lambda connection: None, garbage, unknown_message, negative_length, starting_up])
def test_what_is_no_postgresql_or_not_yet_does_not_answer(answer: Callable[[Any], object]) -> None:
    with serving(answer) as port:
        reader = reader_of(f"postgresql://reader@127.0.0.1:{port}/notes", "r")
        assert reader.primary() is None
        with pytest.raises(ExternalError):
            reader.read(RUN)


@pytest.mark.slow
def test_server_that_never_ends_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_reader, "READ_SECONDS", 0.6)
    with serving(trickle) as port:
        reader = reader_of(f"postgresql://reader@127.0.0.1:{port}/notes", "r")
        with taking(1.0):
            assert reader.primary() is None
        with taking(0.6), pytest.raises(ExternalError):
            reader.read(RUN)


def test_nothing_that_listens_does_not_answer() -> None:
    reader: DatabaseReader = reader_of(f"postgresql://reader@127.0.0.1:{free_port()}/notes", "r")
    assert reader.primary() is None
    with pytest.raises(ExternalError, match=r"see whether it runs.*database\.postgresql\.url"):
        reader.read(RUN)
