"""The instance's cgroup subtree in both cgroup versions, on plain files."""

import errno
from pathlib import Path

import pytest

from tools.cluster import cgroups


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    for controller in ("cpu", "cpuset", "memory", "unified"):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "cgroup.procs").touch()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0")
    (tmp_path / "cpuacct").symlink_to("cpu")
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc")
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "cgroup.controllers").write_text("cpu memory")
    return tmp_path


def test_version_is_detected_from_the_tree(tmp_path: Path, version_1: Path) -> None:
    assert cgroups.version(version_1) == 1
    (tmp_path / "cgroup.controllers").touch()
    assert cgroups.version(tmp_path) == 2


def test_version_1_has_a_subtree_with_usable_cpusets_under_each_controller(version_1: Path) -> None:
    cgroups.make("ours", version_1)
    for controller in ("cpu", "cpuset", "memory", "unified"):
        assert (version_1 / controller / "ours" / "node").is_dir()
    assert (version_1 / "cpuset" / "ours" / "node" / "cpuset.cpus").read_text() == "0-1"
    cgroups.enter("ours", 4711, version_1)
    assert (version_1 / "memory" / "ours" / "node" / "cgroup.procs").read_text() == "4711"


@pytest.mark.parametrize(("tree", "setting", "weight"), [
    ("version_1", "cpu/ours/cpu.shares", "4096"), ("version_2", "ours/cpu.weight", "400"),
])  # fmt: skip
def test_cpu_weight_is_proportional_to_the_cores(
    tree: str, setting: str, weight: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    root: Path = request.getfixturevalue(tree)
    (root / setting).parent.mkdir(exist_ok=True)
    (root / setting).touch()
    cgroups.make("ours", root)
    assert (root / setting).read_text() == weight


def test_version_2_delegates_the_controllers_of_pods(version_2: Path) -> None:
    cgroups.make("ours", version_2)
    assert (version_2 / "ours" / "node").is_dir()
    assert (version_2 / "cgroup.subtree_control").read_text() == "+cpuset +cpu +io +memory +hugetlb +pids"
    assert (version_2 / "ours" / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_processes_of_a_container_move_into_a_leaf_before_controllers_are_enabled(
    version_2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (version_2 / "cgroup.procs").write_text("1\n7\n")
    written: list[tuple[str, str]] = []

    def write(setting: Path, value: str) -> None:
        if setting == version_2 / "cgroup.subtree_control" and len(written) < 2:
            raise OSError(errno.EBUSY, "busy")
        written.append((str(setting.relative_to(version_2)), value))

    monkeypatch.setattr(cgroups, "_write", write)
    cgroups.make("ours", version_2)
    assert written[:2] == [("processes/cgroup.procs", "1"), ("processes/cgroup.procs", "7")]
    assert written[2][0] == "cgroup.subtree_control"


def test_other_errors_of_the_kernel_are_not_hidden(version_2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(setting: Path, value: str) -> None:
        raise OSError(errno.EOPNOTSUPP, "threaded")

    monkeypatch.setattr(cgroups, "_write", refuse)
    with pytest.raises(OSError, match="threaded"):
        cgroups.make("ours", version_2)


def test_removal_includes_nested_groups_and_excludes_other_instances(version_1: Path) -> None:
    (version_1 / "cpu" / "ours" / "kubepods" / "burstable").mkdir(parents=True)
    (version_1 / "memory" / "another").mkdir()
    cgroups.remove("ours", root=version_1)
    assert not (version_1 / "cpu" / "ours").exists()
    assert (version_1 / "memory" / "another").exists()


def test_memory_excludes_the_inactive_file_cache(version_2: Path) -> None:
    (version_2 / "ours" / "memory.current").write_text("1000\n")
    (version_2 / "ours" / "memory.stat").write_text("anon 600\ninactive_file 300\n")
    assert cgroups.memory_bytes("ours", version_2) == 700
