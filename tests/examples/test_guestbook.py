"""The guest book with a real Redis, where there are Go and redis-server: what it answers while Redis is away, and what
a restart leaves of what it acknowledged."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import requests

from dashboard import prove
from tests.dashboard.stubs import wait_until
from tests.e2e.example_images import EXAMPLES, SAVES, SAVES_LATER, guestbook, write_early
from tests.examples.test_manifests import redis
from tools.local.mongod import dies_with_parent, free_ports, listens

PASSWORD = "0a1b2c3d4e5f"
ENTRIES = 50

REDIS = shutil.which("redis-server") or shutil.which("redis-check-rdb")  # in Debian one program, by two names

with_redis = pytest.mark.skipif(not (shutil.which("go") and REDIS), reason="Go or Redis is not installed")


class GuestBook:
    """The service and its Redis, each a process on this machine."""

    def __init__(self, program: Path, directory: Path, append_only: str = "yes") -> None:
        self._port, self._redis_port = free_ports(2)
        self._directory = directory
        self._append_only = append_only
        self.url = f"http://127.0.0.1:{self._port}"
        self.start_redis()
        environment = {
            "ADDRESS": f"127.0.0.1:{self._port}", "REDIS_ADDRESS": f"127.0.0.1:{self._redis_port}",
            "REDIS_PASSWORD": PASSWORD,
        }  # fmt: skip
        self.service = subprocess.Popen([*dies_with_parent(), str(program)], env=environment)
        wait_until(lambda: listens(self._port))

    def start_redis(self) -> None:
        """Start Redis by the command in the manifest, on 127.0.0.1."""
        server = self._directory / "redis-server"
        if not server.exists():
            server.symlink_to(str(REDIS))
        values = {
            "redis-server": str(server), "/data": str(self._directory),
            "$(REDIS_PASSWORD)": PASSWORD, "$(APPENDONLY)": self._append_only,
        }  # fmt: skip
        arguments = [values.get(each, each) for each in redis()["args"]]
        command = [*dies_with_parent(), *arguments, "--bind", "127.0.0.1", "--port", str(self._redis_port)]
        self._redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: listens(self._redis_port))

    def stop_redis(self) -> None:
        self._redis.send_signal(signal.SIGTERM)
        self._redis.wait()

    def stop(self) -> None:
        for process in (self.service, self._redis):
            process.kill()
            process.wait()

    def put(self, number: int) -> int:
        return requests.put(self._entry(number), json={"text": f"text {number}"}, timeout=30).status_code

    def get(self, number: int) -> int:
        return requests.get(self._entry(number), timeout=30).status_code

    def _entry(self, number: int) -> str:
        return f"{self.url}/entries/{UUID(int=number)}"


class Books:
    """Starts guest books, and stops them at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[GuestBook] = []

    def start(self, program: Path, append_only: str = "yes") -> GuestBook:
        directory = self._directory / str(len(self._started))
        directory.mkdir()
        self._started.append(GuestBook(program, directory, append_only))
        return self._started[-1]

    def stop(self) -> None:
        for book in self._started:
            book.stop()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def program() -> Path:
    return guestbook(EXAMPLES / "guestbook")


@pytest.mark.slow
@with_redis
def test_contract_holds(books: Books, program: Path) -> None:
    book = books.start(program)
    assert prove.main(["contract", str(EXAMPLES / "guestbook" / "target.yaml"), "--url", book.url]) == 0


@pytest.mark.slow
@with_redis
@pytest.mark.parametrize(("append_only", "left"), [("yes", ENTRIES), ("no", 0)])
def test_restart_leaves_all_entries_or_without_the_append_only_file_none(
    books: Books, program: Path, append_only: str, left: int
) -> None:
    book = books.start(program, append_only)
    assert {book.put(number) for number in range(ENTRIES)} == {200}
    book.stop_redis()
    book.start_redis()
    statuses = [book.get(number) for number in range(ENTRIES)]
    assert statuses == [200] * left + [404] * (ENTRIES - left)


@pytest.mark.slow
@with_redis
def test_while_redis_is_away_requests_wait_and_end_with_503(books: Books, program: Path) -> None:
    book = books.start(program)
    assert (book.put(1), requests.get(f"{book.url}/readyz", timeout=30).status_code) == (200, 200)
    book.stop_redis()
    began = time.monotonic()
    assert book.put(2) == 503 and time.monotonic() - began > 5
    assert book.get(1) == 503
    assert requests.get(f"{book.url}/readyz", timeout=30).status_code == 200, "it stays in the Service"
    assert requests.get(f"{book.url}/pictures/visitor", timeout=30).headers["Content-Type"] == "image/png"
    book.start_redis()
    assert (book.get(1), book.get(2)) == (200, 404)


@pytest.mark.slow
@with_redis
def test_service_is_not_ready_before_redis_has_answered_and_ends_when_it_is_told_to(
    books: Books, program: Path
) -> None:
    book = books.start(program)
    book.stop_redis()
    assert requests.get(f"{book.url}/readyz", timeout=30).status_code == 503
    assert requests.get(f"{book.url}/healthz", timeout=30).status_code == 200
    book.service.send_signal(signal.SIGTERM)
    assert book.service.wait(30) == 0


@pytest.mark.parametrize(
    ("body", "id_"), [("{}", str(UUID(int=1))), ("[", str(UUID(int=1))), ('{"text": "a"}', "1"), ('{"text": 1}', "1")]
)
@pytest.mark.slow
@with_redis
def test_entry_without_a_text_or_a_uuid_is_422(books: Books, program: Path, body: str, id_: str) -> None:
    book = books.start(program)
    assert requests.put(f"{book.url}/entries/{id_}", data=body, timeout=30).status_code == 422


@pytest.mark.slow
@with_redis
def test_broken_one_acknowledges_what_it_does_not_store(books: Books, tmp_path: Path) -> None:
    book = books.start(guestbook(write_early(tmp_path / "guestbook-early")))
    assert book.put(1) == 200
    wait_until(lambda: book.get(1) == 200)
    book.stop_redis()
    assert book.put(2) == 200
    time.sleep(1)
    book.start_redis()
    assert (book.get(1), book.get(2)) == (200, 404)


def test_broken_one_differs_by_one_statement(tmp_path: Path) -> None:
    whole = (EXAMPLES / "guestbook" / "main.go").read_text()
    broken = (write_early(tmp_path / "guestbook-early") / "main.go").read_text()
    assert broken.replace(SAVES_LATER, SAVES) == whole and broken != whole
