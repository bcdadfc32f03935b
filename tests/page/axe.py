"""Accessibility tests by axe-core, which is fetched from npm once and cached outside the tree."""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser import frozen, wait_until_idle
from tools.cluster.instance import cache_directory

VERSION = "4.14.1"
SHA512 = (
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73"
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
)

TRIES = 5  # for a page that fades during a test, because its connection is slow

# Resolves to the violations, or to null if the page has faded in the meantime.
RUN = """async (within) => {
  const root = document.documentElement;
  let faded = root.classList.contains('is-stale');
  const watch = new MutationObserver(() => (faded ||= root.classList.contains('is-stale')));
  watch.observe(root, {attributeFilter: ['class']});
  const {violations} = await axe.run(within, {resultTypes: ['violations']});
  watch.disconnect();
  if (faded) return null;
  const words = ({target, any}) => `${target}: ${any[0]?.message ?? ''}`;
  return violations.map(({id, help, nodes}) => [`${id}: ${help}`, ...nodes.slice(0, 5).map(words)].join('\\n  '));
}"""


def script() -> Path:
    """Return the script's path. Fetches it if it is missing."""
    cached = cache_directory() / f"axe-core-{VERSION}.min.js"
    if not cached.exists():
        with tempfile.TemporaryDirectory() as directory:
            fetched = _fetch(directory)
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(fetched)
    return cached


def violations(page: Page, within: str = "html") -> list[str]:
    """Return the violations on the idle page, each with its elements. The page's context must bypass the CSP.

    Motion is reduced, since axe-core would test colours in the middle of their transitions.
    """
    page.emulate_media(reduced_motion="reduce")
    if not page.evaluate("() => 'axe' in globalThis"):
        page.add_script_tag(path=script())
    for _ in range(TRIES):
        wait_until_idle(page)
        with frozen(page):
            found: list[Any] | None = page.evaluate(RUN, within)
        if found is not None:
            return [str(one) for one in found]
    raise AssertionError(f"the page faded in each of {TRIES} tries")


def _fetch(directory: str) -> bytes:
    subprocess.run(["npm", "pack", "--silent", f"axe-core@{VERSION}"], cwd=directory, check=True, capture_output=True)
    archive = Path(directory) / f"axe-core-{VERSION}.tgz"
    assert hashlib.sha512(archive.read_bytes()).hexdigest() == SHA512, "the archive has another checksum"
    with tarfile.open(archive) as unpacked:
        member = unpacked.extractfile("package/axe.min.js")
        assert member is not None
        return member.read()
