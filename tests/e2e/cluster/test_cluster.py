"""The embedded cluster: errors of a failed start, and the cleanup at the end."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment
from tools.cluster import cgroups, lifecycle
from tools.cluster.instance import CHECKOUT, Instance
from tools.local.mongod import free_ports

pytestmark = pytest.mark.cluster


def test_failed_start_names_the_program_and_shows_the_end_of_its_log(deployment: Deployment) -> None:
    # The fixture has built the binaries. This instance's etcd finds a file in place of its data directory.
    instance = new_instance("broken")
    instance.state.mkdir(parents=True)
    (instance.state / "etcd").write_text("not a directory")
    done = cluster(instance, "up")
    assert done.returncode == 1
    assert "\netcd: it ended 3 times during the start\nThe end of " in done.stdout
    assert lifecycle.running_pid(instance) is None
    assert cgroups_of(instance) == []
    shutil.rmtree(instance.directory)


def test_second_instance_leaves_nothing_behind_and_the_first_undisturbed(deployment: Deployment) -> None:
    instance = new_instance("second")
    assert cluster(instance, "up").returncode == 0
    try:
        assert lifecycle.kubectl(instance, "get", "nodes", "--output", "name").stdout == "node/embedded\n"
        assert cluster(instance, "status").stdout.startswith("running, ")
        processes = processes_in(instance)
        assert processes
    finally:
        assert cluster(instance, "down").returncode == 0
    assert cgroups_of(instance) == []
    assert not [pid for pid in processes if lifecycle.start_time(int(pid))]
    assert str(instance.directory) not in Path("/proc/mounts").read_text()
    assert "eth0-peer" not in subprocess.check_output(["ip", "link"], text=True)
    assert cluster(instance, "status").returncode == 3
    assert deployment.get("nodes")["items"], "the first instance is disturbed"
    shutil.rmtree(instance.directory)


def test_interrupted_start_leaves_nothing_behind_and_the_next_start_works(deployment: Deployment) -> None:
    instance = new_instance("interrupted")
    with subprocess.Popen(command(instance, "up"), cwd=CHECKOUT, text=True, stdout=subprocess.PIPE) as started:
        for line in started.stdout or ():
            if "API server" in line:
                started.send_signal(signal.SIGINT)
    assert started.returncode == 130
    assert lifecycle.running_pid(instance) is None
    assert cgroups_of(instance) == []
    try:
        assert cluster(instance, "up").returncode == 0
    finally:
        cluster(instance, "down")
    shutil.rmtree(instance.directory)


def test_taken_port_fails_the_start_at_once(deployment: Deployment) -> None:
    other = Deployment("taken")
    other.service_port = deployment.service_port
    done = other.deploy("up")
    other.remove()
    assert done.returncode == 1
    assert done.stdout.startswith(f"Port {deployment.service_port} of 127.0.0.1 is taken (Address already in use): ")
    assert "SERVICE_PORT=" in done.stdout


def new_instance(name: str) -> Instance:
    instance = Instance(name, CHECKOUT / f".cluster-{name}", *free_ports(1))
    cluster(instance, "down")
    shutil.rmtree(instance.directory, ignore_errors=True)
    return instance


def cluster(instance: Instance, verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(instance, verb), cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def command(instance: Instance, verb: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tools.cluster", "--name", instance.name, f"--api-port={instance.api_port}", verb)


def processes_in(instance: Instance) -> list[str]:
    groups = (cgroups.ROOT / "memory" if cgroups.version() == 1 else cgroups.ROOT) / instance.cgroup
    return [pid for file in groups.rglob("cgroup.procs") for pid in file.read_text().split()]


def cgroups_of(instance: Instance) -> list[Path]:
    """Return the instance's cgroups."""
    return [path for path in cgroups.ROOT.glob(f"**/{instance.cgroup}") if path.is_dir()]
