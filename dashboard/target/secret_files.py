"""The secrets of a target, for its headers and its database: a directory with a file for each, as Kubernetes mounts
Secrets. `NAME/KEY` is a file in a directory of it."""

from collections.abc import Iterable
from pathlib import Path

from dashboard.target.contract import ContractError


def read(directory: str, names: Iterable[str]) -> dict[str, str]:
    """Return the secrets by name. Raise ContractError for one that is missing or cannot be sent."""
    return {name: _secret(directory, name) for name in sorted(names)}


def _secret(directory: str, name: str) -> str:
    path = Path(directory, name)
    if not directory or {".", ".."} & {*name.split("/")} or not path.is_file():
        raise ContractError(f"The secret {name} is missing: give a directory with a file of this name.")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"The secret {name} cannot be read: {type(error).__name__}.") from error
    if not text or not text.isascii() or not text.isprintable():
        raise ContractError(f"The secret {name} is empty, or has characters that are not printable ASCII.")
    return text
