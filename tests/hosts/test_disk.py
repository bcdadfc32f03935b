"""What an emulated machine is told about the network."""

from tests.hosts.disk import environment


def test_proxies_and_registries_are_passed_on_and_nothing_else() -> None:
    text = environment({
        "https_proxy": "http://proxy:3128", "PIP_INDEX_URL": "https://index/simple", "NO_PROXY": "",
        "AWS_SECRET": "x", "PATH": "/bin",
    })  # fmt: skip
    assert text == 'PIP_INDEX_URL="https://index/simple"\nhttps_proxy="http://proxy:3128"\n'
