"""Image archives that containerd can import: the pause image, which every pod needs, and the layers of any."""

import hashlib
import io
import json
import tarfile
from pathlib import Path


def pause_image(binary: Path, archive: Path, name: str) -> None:
    """Write a docker-archive with `binary` as its only file, run as an unprivileged user."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, "pause", binary.read_bytes(), mode=0o755)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }).encode()  # fmt: skip
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, mode="w") as tar:
        _add(tar, config_name, config)
        _add(tar, "layer.tar", layer.getvalue())
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    partial.replace(archive)


def layers(archive: Path) -> list[str]:
    """Return the digests of the layers in a docker-archive of one image, uncompressed ones."""
    with tarfile.open(archive) as tar:
        (image,) = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(tar.extractfile(image["Config"]))  # type: ignore[arg-type]
    digests: list[str] = config["rootfs"]["diff_ids"]
    return digests


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
