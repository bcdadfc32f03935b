"""The pause image, and the layers of any."""

import hashlib
import json
import tarfile
from pathlib import Path

from tools.cluster.images import layers, pause_image


def test_archive_names_its_layer_and_an_unprivileged_user(tmp_path: Path) -> None:
    (tmp_path / "pause").write_bytes(b"\x7fELF")
    pause_image(tmp_path / "pause", tmp_path / "pause.tar", "localhost/pause:1")
    with tarfile.open(tmp_path / "pause.tar") as archive:
        contents = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    (manifest,) = json.loads(contents["manifest.json"])
    config = json.loads(contents[manifest["Config"]])
    assert manifest["RepoTags"] == ["localhost/pause:1"]
    assert config["config"]["User"] == "65535:65535"
    layer = hashlib.sha256(contents[manifest["Layers"][0]]).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer}"]


def test_layers_are_known_by_their_digests(tmp_path: Path) -> None:
    (tmp_path / "pause").write_bytes(b"program")
    pause_image(tmp_path / "pause", tmp_path / "pause.tar", "localhost/pause:1")
    (digest,) = layers(tmp_path / "pause.tar")
    with tarfile.open(tmp_path / "pause.tar") as archive:
        layer = archive.extractfile("layer.tar")
        assert layer is not None
        assert digest == f"sha256:{hashlib.sha256(layer.read()).hexdigest()}"
