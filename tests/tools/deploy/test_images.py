"""What a build is given of this machine: certificate authorities, pip settings and proxies."""

from pathlib import Path

import pytest

from tools.cluster.errors import ClusterError
from tools.deploy import images


class RecordingBuilder(images.Docker):
    """Keeps the files of the context that it is given."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def make(self, dockerfile: Path, context: Path, reference: str, arguments: dict[str, str]) -> None:
        self.files = {path.name: path.read_text() for path in context.iterdir()}


def build_image(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> dict[str, str]:
    builder = RecordingBuilder()
    monkeypatch.setattr(images, "_pip_settings", lambda: dict(settings))
    assert images._build_image(builder, "python:3.13") == images.BUILD_IMAGE
    return builder.files


def test_build_has_this_machines_authorities_and_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.crt").write_text("authorities")
    files = build_image(monkeypatch, {"index-url": "https://index/simple", "cert": str(tmp_path / "own.crt")})
    assert files["Dockerfile"].splitlines()[0] == "FROM python:3.13"
    assert files["authorities.crt"] == "authorities"
    assert files["pip.conf"].splitlines() == [
        *("[global]", "index-url = https://index/simple", f"cert = {images.AUTHORITIES}"),
    ]  # fmt: skip


def test_build_has_the_systems_store_if_pip_has_none_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "AUTHORITIES", str(tmp_path / "store.crt"))
    assert "authorities.crt" not in build_image(monkeypatch, {})
    (tmp_path / "store.crt").write_text("store")
    files = build_image(monkeypatch, {})
    assert files["authorities.crt"] == "store"
    assert f"COPY authorities.crt {tmp_path}/store.crt" in files["Dockerfile"]


def test_proxies_are_taken_in_either_case_and_nothing_else() -> None:
    environment = {"http_proxy": "http://a", "HTTPS_PROXY": "http://b", "no_proxy": "", "PATH": "/bin"}
    assert images.proxies(environment) == {"http_proxy": "http://a", "HTTPS_PROXY": "http://b"}


def test_failed_command_error_has_its_end_and_the_log_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ClusterError) as error:
        images._run("sh", "-c", "for i in $(seq 50); do echo line$i >&2; done; exit 3")
    log = tmp_path / "flask-mongodb" / "images.log"
    assert str(log) in str(error.value)
    assert "line50" in str(error.value) and "line1\n" not in str(error.value)
    assert "line1\n" in log.read_text()
