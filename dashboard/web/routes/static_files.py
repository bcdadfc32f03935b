"""The page's static files, at addresses that name the version of them all: /static-<version>/…"""

import functools
import hashlib
import re
from pathlib import Path

from flask import Blueprint, Response, current_app
from flask.blueprints import BlueprintSetupState

from dashboard.config import DashboardConfig

static_files = Blueprint("static_files", __name__)

MAIN = "js/main.js"
FOREVER = "public, max-age=31536000, immutable"
_IMPORT = re.compile(r'^(?:import|export)\b[^"();]*"(\.[^"]+)";', re.MULTILINE)


@static_files.record_once
def _read(setup: BlueprintSetupState) -> None:
    """Read the files once, and not for the first page."""
    root = Path(str(setup.app.static_folder)).resolve()
    setup.app.extensions["static_files"] = _version(root), _modules(root)


@static_files.get("/static-<version>/<path:filename>")
def file(version: str, filename: str) -> Response:
    """A static file. Its address names the version, so a browser need not ask again whether it has changed.

    A page of another version, which was open during a roll-out, gets the present file, and asks again. So does the page
    of the mock, whose files are worked on.
    """
    response = current_app.send_static_file(filename)
    config: DashboardConfig = current_app.config["DASHBOARD"]
    if version == current_version() and config.source != "mock":
        response.headers["Cache-Control"] = FOREVER
    return response


def current_version() -> str:
    """Return a digest of all static files, with their paths."""
    found: str = current_app.extensions["static_files"][0]
    return found


def page_modules() -> list[str]:
    """Return the JavaScript modules that the page's first one imports, and that one, as paths under static/."""
    found: list[str] = current_app.extensions["static_files"][1]
    return found


@functools.cache
def _version(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _modules(root: Path) -> list[str]:
    """Return MAIN and all that it imports from the start, without the libraries. What it imports by `import()` opens
    later, and loads then."""
    main = root / MAIN
    found, left = {main}, [main]
    while left:
        importing = left.pop()
        for name in _IMPORT.findall(importing.read_text()):
            path = (importing.parent / name).resolve()
            if path not in found and "vendor" not in path.parts:
                found.add(path)
                left.append(path)
    return sorted(path.relative_to(root).as_posix() for path in found)
