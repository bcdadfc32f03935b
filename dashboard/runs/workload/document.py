"""The documents that the writers write: each version is unique and carries a digest of its payload."""

from hashlib import sha256
from typing import Any

from dashboard.target.template import Value

COLLECTION = "proofs"  # of the deployment's own service, which serves it at /proofs; documents expire after an hour


def document(id_: str, run: str, writer: int, number: int, payload: str, version: int = 1) -> dict[str, Value]:
    """Return a document's values, for the templates of the service's contract. The writer makes `id_`, so the ledger
    has it before the request. Each replacement has the next version and a payload of its own."""
    return {
        "id": id_,
        "run": run,
        "writer": writer,
        "number": number,
        "version": version,
        "payload": payload,
        "sha256": digest(payload),
    }


def digest(payload: Any) -> str:
    """Return a payload's sha256. A payload that is not text is hashed by its repr, so that it counts as corrupt."""
    return sha256((payload if isinstance(payload, str) else repr(payload)).encode("utf-8", "replace")).hexdigest()
