"""What is asked of the machine, and what is said where it is missing: one sentence, with the way out."""

import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from tools.cluster import host
from tools.cluster.errors import HostError

Usage = namedtuple("Usage", "total used free")


def test_a_taken_port_names_the_variable_that_changes_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(HostError, match=rf"Port {port} of 127.0.0.1 is taken .* choose another with SERVICE_PORT="):
            host.listen(port, "SERVICE_PORT")


def test_a_listener_is_on_loopback_only() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with host.listen(port, "SERVICE_PORT") as listener:
        assert listener.getsockname() == ("127.0.0.1", port)


def test_too_little_disk_says_how_much_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 3 * host.GIB))
    host.require_room(tmp_path, building=False)
    with pytest.raises(HostError, match=r"has 3.0 GB free and 10 GB are needed: free some"):
        host.require_room(tmp_path, building=True)


def test_too_little_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100 * host.GIB))
    monkeypatch.setattr(host, "memory_total", lambda: 2 * host.GIB)
    with pytest.raises(HostError, match=r"2\.0 GB of memory and 4 GB are needed"):
        host.require_room(tmp_path, building=False)


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       16384 kB\nMemFree:         1 kB\n")
    assert host.memory_total(tmp_path / "meminfo") == 16384 * 1024


def test_only_missing_commands_ask_for_their_package() -> None:
    assert host.missing_tools({"sh": "dash", "no-such-command": "its-package"}) == ["its-package"]


def test_no_root_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HostError, match="run it as root, or use CLUSTER=minikube"):
        host.require_root()
    with pytest.raises(HostError, match="Installing nftables needs root"):
        host.install(["nftables"], print)
