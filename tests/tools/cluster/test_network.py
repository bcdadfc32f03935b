"""The routes between nodes, and the wait for a further node's eth0."""

from pathlib import Path

import pytest

from tools.cluster import network
from tools.cluster.instance import NodeSpec


def test_node_routes_to_the_pods_of_each_other_node() -> None:
    assert network.routes(NodeSpec(2), 3) == [("10.244.0.0/24", "172.31.0.2"), ("10.244.2.0/24", "172.31.0.4")]


def test_only_node_has_no_routes() -> None:
    assert network.routes(NodeSpec(), 1) == []


@pytest.mark.parametrize(("devices", "attached"), [
    ("Inter-|\n    lo: 0 0\n  eth0: 1 1\n", True), ("Inter-|\n    lo: 0 0\n", False), ("veth0: 0\n", False),
])  # fmt: skip
def test_eth0_is_looked_for_among_the_nodes_own_devices(devices: str, attached: bool, tmp_path: Path) -> None:
    (tmp_path / "dev").write_text(devices)
    assert network.is_attached(tmp_path / "dev") == attached
