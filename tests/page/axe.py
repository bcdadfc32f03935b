"""axe-core, which finds what keeps people with disabilities out of a page.

It is fetched from npm once, and kept outside the tree.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from cluster.instance import cache_directory

VERSION = "4.14.1"
SHA512 = (
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73"
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
)

RUN = """async (within) => {
  const {violations} = await axe.run(within, {resultTypes: ['violations']});
  const words = ({target, any}) => `${target}: ${any[0]?.message ?? ''}`;
  return violations.map(({id, help, nodes}) => [`${id}: ${help}`, ...nodes.slice(0, 5).map(words)].join('\\n  '));
}"""


def script() -> Path:
    """Where it is, after having been fetched if need be."""
    kept = cache_directory() / f"axe-core-{VERSION}.min.js"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as directory:
            fetched = _fetch(directory)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(fetched)
    return kept


def violations(page: Page, within: str = "html") -> list[str]:
    """What it finds in the page as it stands, each with its elements. The page's context must bypass the CSP."""
    if not page.evaluate("() => 'axe' in globalThis"):
        page.add_script_tag(path=script())
    found: list[Any] = page.evaluate(RUN, within)
    return [str(one) for one in found]


def _fetch(directory: str) -> bytes:
    subprocess.run(["npm", "pack", "--silent", f"axe-core@{VERSION}"], cwd=directory, check=True, capture_output=True)
    archive = Path(directory) / f"axe-core-{VERSION}.tgz"
    assert hashlib.sha512(archive.read_bytes()).hexdigest() == SHA512, "this is not the axe-core that was published"
    with tarfile.open(archive) as unpacked:
        member = unpacked.extractfile("package/axe.min.js")
        assert member is not None
        return member.read()
