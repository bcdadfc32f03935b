"""The data service and its peers: what each is, what it promises of a write, how it is installed and started.

Each peer is a file of bench/peers with its own idioms, under the server that its documentation recommends. What a peer
needs stays in the cache; one that can't be installed is left out, with the reason.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from bench import pod
from bench.comparison import rows
from bench.fake_pods import Say
from bench.pod import Server
from tools.cluster import binary
from tools.cluster.errors import BuildError
from tools.cluster.instance import CHECKOUT, cache_directory
from tools.local.mongod import Mongod, free_port

PEERS = CHECKOUT / "bench" / "peers"
JOURNALED = "w=majority&journal=true"  # what the service promises
NODE_MINIMUM = 20  # what MongoDB's driver requires


class Missing(Exception):
    """A peer can't be installed. The message says why."""


Command = Callable[[int], Sequence[str]]  # from the port


@dataclass(frozen=True)
class Peer:
    """`install` returns the command that serves at a port, and `options` stand in the connection string."""

    title: str
    promise: str
    install: Callable[[Say], Command] | None  # None: the service itself
    options: str = ""

    @property
    def is_eve(self) -> bool:
        return self.title.startswith("Eve")

    def prepare(self, say: Say) -> Command | None:
        return self.install(say) if self.install else None

    def server(self, command: Command | None, directory: Path, core: int, mongod: Mongod, database: str) -> Server:
        if command is None:
            return pod.service(directory, core, mongod.uri, database)
        port = free_port()
        uri = f"mongodb://127.0.0.1:{mongod.port}/?{self.options}".rstrip("?")
        probe = f"http://127.0.0.1:{port}" + rows.ROWS["shared"].url("/data", self.is_eve)
        environ = {"MONGODB_URI": uri, "MONGODB_DATABASE": database, "NODE_ENV": "production"}
        return Server(directory, core, port, command(port), probe, environ)


def _sample(say: Say) -> Command:
    return _gunicorn(Path(sys.executable), "sample")


def _eve(say: Say) -> Command:
    return _gunicorn(_python(say), "eve")


def _fastapi(say: Say) -> Command:
    python = _python(say)
    options = ("bench.peers.fastapi:app", "--no-access-log", "--log-level", "warning", "--port")
    return lambda port: (str(python), "-m", "uvicorn", *options, str(port))


def _express(say: Say) -> Command:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        raise Missing("node or npm is not installed")
    version = _run(node, "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < NODE_MINIMUM:
        raise Missing(f"node is {version}, and MongoDB's driver needs {NODE_MINIMUM} or newer")
    sources = PEERS / "express"
    directory = _cached("express", sources / "package-lock.json", sources / "package.json", sources / "server.mjs")
    if not (directory / "complete").exists():
        say("installing Express")
        shutil.copytree(sources, directory, dirs_exist_ok=True)
        _run(npm, "ci", "--prefix", str(directory), "--no-audit", "--no-fund", "--silent")
        (directory / "complete").touch()
    return lambda port: (node, str(directory / "server.mjs"))


def _go(say: Say) -> Command:
    sources = PEERS / "go"
    program = _cached("go", sources / "main.go", sources / "go.sum") / "server"
    if not program.exists():
        say("building the Go server")
        try:
            environment = binary.environment()
        except BuildError as error:
            raise Missing(str(error)) from error
        _run("go", "build", "-o", str(program), ".", cwd=sources, env=environment)
    return lambda port: (str(program),)


_JOURNALED = "majority, journaled"
PEERS_BY_NAME = {
    "ours": Peer("the data service", _JOURNALED, None),
    "sample": Peer("plain Flask + PyMongo", "MongoDB's default: majority", _sample),
    "sample-journaled": Peer("plain Flask + PyMongo, journaled", _JOURNALED, _sample, JOURNALED),
    "fastapi": Peer("FastAPI + AsyncMongoClient", _JOURNALED, _fastapi, JOURNALED),
    "eve": Peer("Eve", "its own default: w=1", _eve),
    "express": Peer("Express + MongoDB's driver", _JOURNALED, _express, JOURNALED),
    "go": Peer("Go's net/http + MongoDB's driver", _JOURNALED, _go, JOURNALED),
}


def _gunicorn(python: Path, module: str) -> Command:
    options = (  # the service's settings
        *("--worker-class", "gthread", "--threads", "16", "--keep-alive", "75"),
        *("--worker-tmp-dir", "/dev/shm", "--no-control-socket"),  # noqa: S108
    )
    return lambda port: (
        *(str(python), "-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}", f"bench.peers.{module}:app"),
    )


def _python(say: Say) -> Path:
    """Return the Python of an environment with the pinned packages of the peers."""
    pins = CHECKOUT / "bench" / "requirements-peers.txt"
    directory = _cached("python", pins)
    python = directory / "bin" / "python"
    if not (directory / "complete").exists():
        say("installing Eve and FastAPI")
        _run(sys.executable, "-m", "venv", "--clear", str(directory))
        _run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", str(pins))
        (directory / "complete").touch()
    return python


def _cached(name: str, *sources: Path) -> Path:
    """Return the directory of what is made from these files."""
    content = b"".join(each.read_bytes() for each in sources)
    directory = cache_directory() / f"peer-{name}-{sha1(content, usedforsecurity=False).hexdigest()[:8]}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _run(*command: str, cwd: Path = CHECKOUT, env: dict[str, str] | None = None) -> str:
    try:
        return subprocess.run(  # noqa: S603
            command, cwd=cwd, env=env, check=True, capture_output=True, text=True
        ).stdout
    except OSError as error:
        raise Missing(f"{command[0]} does not start ({error})") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or "no message").splitlines()[-1]
        raise Missing(f"{Path(command[0]).name} failed: {last}") from error
