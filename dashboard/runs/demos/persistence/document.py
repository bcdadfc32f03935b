"""What proofs write: documents that tell themselves apart, and that show whether they are whole."""

from hashlib import sha256
from typing import Any

COLLECTION = "proofs"  # the service's, mounted at this path; what is in it expires after an hour


def document(id_: str, run: str, writer: int, number: int, payload: str) -> dict[str, Any]:
    """`id_` are 24 hexadecimal digits that the writer made: so the ledger has it before anything is sent."""
    return {
        "_id": id_,
        "run": run,
        "writer": writer,
        "seq": number,
        "payload": payload,
        "sha256": digest(payload),
    }


def digest(payload: Any) -> str:
    """A payload's sha256. What is no text any more is none that was written."""
    return sha256((payload if isinstance(payload, str) else repr(payload)).encode("utf-8", "replace")).hexdigest()
