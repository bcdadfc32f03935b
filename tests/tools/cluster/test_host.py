"""The requirements on the host, and the errors if they are not met."""

import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from tools.cluster import host
from tools.cluster.errors import HostError

Usage = namedtuple("Usage", "total used free")


def test_taken_port_error_names_the_variable() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(HostError, match=rf"{port}.*SERVICE_PORT="):
            host.listen(port, "SERVICE_PORT")


def test_listener_is_on_loopback_only() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with host.listen(port, "SERVICE_PORT") as listener:
        assert listener.getsockname() == ("127.0.0.1", port)


def test_too_little_disk_error_gives_free_and_needed_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 3 * host.GIB))
    host.require_room(tmp_path, building=False)
    with pytest.raises(HostError, match=r"3\.0 GB.*10 GB"):
        host.require_room(tmp_path, building=True)


def test_too_little_memory_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100 * host.GIB))
    monkeypatch.setattr(host, "memory_total", lambda: 2 * host.GIB)
    with pytest.raises(HostError, match=r"2\.0 GB.*4 GB"):
        host.require_room(tmp_path, building=False)


def test_memory_total_is_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       16384 kB\nMemFree:         1 kB\n")
    assert host.memory_total(tmp_path / "meminfo") == 16384 * 1024


def test_missing_tools_excludes_installed_commands() -> None:
    assert host.missing_tools({"sh": "dash", "no-such-command": "its-package"}) == ["its-package"]


def test_missing_tools_excludes_files_that_exist(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    files = {f"{tmp_path}/here": "one", f"{tmp_path}/away": "another"}
    assert host.missing_tools(files) == ["another"]


def test_missing_root_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HostError, match="CLUSTER=minikube"):
        host.require_root()
    with pytest.raises(HostError, match="nftables"):
        host.install(["nftables"], print)
