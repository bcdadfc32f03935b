"""An instance's nodes: names, addresses, places, and their number."""

from pathlib import Path

import pytest

from tools.cluster.errors import HostError
from tools.cluster.instance import MOST_NODES, Instance, NodeSpec, wanted_nodes


def test_nodes_have_distinct_names_addresses_and_pod_networks() -> None:
    nodes = [NodeSpec(number) for number in range(1, MOST_NODES + 1)]
    for values in (
        {each.name for each in nodes},
        {each.address for each in nodes},
        {each.pod_network for each in nodes},
    ):
        assert len(values) == MOST_NODES
    assert (nodes[0].name, nodes[0].address, nodes[0].pod_network) == ("embedded", "172.31.0.2", "10.244.0.0/24")


def test_places_of_nodes_are_apart(tmp_path: Path) -> None:
    instance = Instance("test", tmp_path, 6443, nodes=3)
    first, second, third = instance.places
    assert first.state == instance.state == tmp_path / "state"
    assert len({first.state, second.state, third.state}) == len({each.record for each in instance.places}) == 3
    # A kubelet watches all groups whose names begin as those of its pods or programs do.
    for own in ("kubepods", "node"):
        assert not second.cgroup.startswith(f"{first.cgroup}/{own}")
    assert second.cgroup.startswith(f"{first.cgroup}/")


@pytest.mark.parametrize(("text", "number"), [(None, 1), ("", 1), ("1", 1), ("5", 5)])
def test_number_of_nodes_is_in_the_environment(text: str | None, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODES", raising=False)
    if text is not None:
        monkeypatch.setenv("NODES", text)
    assert wanted_nodes() == number


@pytest.mark.parametrize("text", ["0", "6", "-1", "two", "1.5"])
def test_invalid_number_of_nodes_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODES", text)
    with pytest.raises(HostError, match=f"NODES={text} "):
        wanted_nodes()
