"""The requirements on the host, and the errors if they are not met."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from tools.cluster import host
from tools.cluster.errors import HostError
from tools.cluster.instance import CHECKOUT

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


def test_each_further_node_needs_more_disk_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 3 * host.GIB))
    monkeypatch.setattr(host, "memory_total", lambda: 4 * host.GIB)
    host.require_room(tmp_path, building=False)
    with pytest.raises(HostError, match=r"3\.0 GB.*4 GB"):
        host.require_room(tmp_path, building=False, nodes=3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100 * host.GIB))
    with pytest.raises(HostError, match=r"4\.0 GB.*4\.5 GB"):
        host.require_room(tmp_path, building=False, nodes=2)


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


@pytest.mark.parametrize(("flags", "refused"), [("fpu avx avx2", False), ("fpu sse4_2 avx512", True), ("", True)])
def test_processor_without_avx_is_an_error(tmp_path: Path, flags: str, refused: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: avx\nflags\t\t: {flags}\n")
    if refused:
        with pytest.raises(HostError, match="AVX"):
            host.require_avx(tmp_path / "cpuinfo")
    else:
        host.require_avx(tmp_path / "cpuinfo")


def test_too_few_inotify_instances_error_gives_the_command_that_raises_them(tmp_path: Path) -> None:
    (tmp_path / "setting").write_text("128\n")
    host.require_inotify(tmp_path / "setting", used=96)
    with pytest.raises(HostError, match=r"97 of 128 .*sysctl fs\.inotify\.max_user_instances=288"):
        host.require_inotify(tmp_path / "setting", used=97)
    with pytest.raises(HostError, match="52 more"):
        host.require_inotify(tmp_path / "setting", used=96, nodes=3)


def test_open_inotify_instances_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, target in (("1", "anon_inode:inotify"), ("2", "/dev/null"), ("self", "anon_inode:inotify")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(target)
    monkeypatch.setattr(host, "ROOT_USER", os.getuid())
    assert host.inotify_instances(tmp_path) == 1


def test_cgroups_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    host.require_cgroups(tmp_path)
    with pytest.raises(HostError, match="--privileged"):
        host.require_cgroups(tmp_path / "missing")


@pytest.mark.parametrize("place", ["/run/a", "/var/log/a/b"])
def test_checkout_below_the_nodes_own_mounts_is_an_error(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "CHECKOUT", Path(place))
    with pytest.raises(HostError, match=place):
        host.require_visible()


def test_umask_and_home_of_the_shell_do_not_matter(tmp_path: Path) -> None:
    script = (
        "import os; from pathlib import Path; from tools.cluster import host; host.adopt_defaults();"
        "Path(os.sys.argv[1]).touch(); print(os.environ['HOME'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    command = (sys.executable, "-c", script, str(tmp_path / "file"))
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, umask=0o077)
    assert done.stdout.strip() == pwd.getpwuid(os.getuid()).pw_dir
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_home_that_is_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere")
    before = os.umask(0o022)
    try:
        host.adopt_defaults()
    finally:
        os.umask(before)
    assert os.environ["HOME"] == "/elsewhere"
