"""The embedded cluster itself: a failed start says why, and an end leaves nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cluster import cgroups, lifecycle
from cluster.errors import StartError
from cluster.instance import CHECKOUT, Instance
from tests.e2e.deployment import Deployment, free_ports

pytestmark = pytest.mark.cluster


def test_a_failed_start_names_the_program_and_shows_the_end_of_its_log(deployment: Deployment) -> None:
    # The deployment's fixture has made what any instance needs; this one's etcd finds a file where its data belong.
    instance = Instance("broken", CHECKOUT / ".cluster-broken", *free_ports(1))
    shutil.rmtree(instance.directory, ignore_errors=True)
    instance.state.mkdir(parents=True)
    (instance.state / "etcd").write_text("not a directory")
    with pytest.raises(StartError) as failure:
        lifecycle.up(instance, lambda _: None)
    assert str(failure.value).startswith("etcd: ")
    assert "/etcd.log:\n" in str(failure.value)
    assert lifecycle.running_pid(instance) is None
    assert traces_of(instance) == []
    shutil.rmtree(instance.directory)


def test_two_instances_run_side_by_side_and_one_ends_without_a_trace(deployment: Deployment) -> None:
    instance = Instance("second", CHECKOUT / ".cluster-second", *free_ports(1))
    shutil.rmtree(instance.directory, ignore_errors=True)
    lifecycle.up(instance, lambda _: None)
    try:
        assert lifecycle.kubectl(instance, "get", "nodes", "--output", "name").stdout == "node/embedded\n"
        processes = processes_in(instance)
        assert processes
    finally:
        lifecycle.down(instance)
    assert traces_of(instance) == []
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    assert str(instance.directory) not in Path("/proc/mounts").read_text()
    assert "eth0-peer" not in subprocess.check_output(["ip", "link"], text=True)
    assert deployment.get("nodes")["items"], "the other one is not disturbed"
    shutil.rmtree(instance.directory)


def test_a_taken_port_stops_a_start_at_once(deployment: Deployment) -> None:
    other = Deployment("taken")
    other.service_port = deployment.service_port
    done = other.deploy("demo")
    assert done.returncode == 1
    assert done.stdout.startswith(f"Port {deployment.service_port} of 127.0.0.1 is taken (Address already in use): ")
    assert "SERVICE_PORT=" in done.stdout


def processes_in(instance: Instance) -> list[str]:
    groups = (cgroups.ROOT / "memory" if cgroups.version() == 1 else cgroups.ROOT) / instance.cgroup
    return [pid for file in groups.rglob("cgroup.procs") for pid in file.read_text().split()]


def traces_of(instance: Instance) -> list[Path]:
    """The cgroups that an instance left behind."""
    return [path for path in cgroups.ROOT.glob(f"**/{instance.cgroup}") if path.is_dir()]
