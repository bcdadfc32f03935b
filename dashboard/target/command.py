"""python -m dashboard.prove contract FILE --url http://…: does the service keep to its contract?

Exit status: 0 if everything holds, 1 if something does not, 2 if the file or its secrets are not valid.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.dataservice.http_client import HttpClient
from dashboard.target import secret_files, target
from dashboard.target.client import ServiceClient
from dashboard.target.contract import Contract, ContractError, loaded
from dashboard.target.trial import ContractTrial
from dashboard.target.validation import parse

DEADLINE_SECONDS = 30.0  # for one answer, as in a run


def main(arguments: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Return the exit status. `say` prints a line."""
    options = _parse(arguments)
    try:
        contract = _contract(options.file.read_text(encoding="utf-8"))
        secrets = secret_files.read(options.secrets, contract.secrets())
    except (ContractError, OSError, UnicodeDecodeError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 2
    service = ServiceClient(contract, HttpClient(DEADLINE_SECONDS, 1), options.url, secrets)
    broken = False
    began = time.monotonic()
    for checked in ContractTrial(service).checks():
        seconds, began = time.monotonic() - began, time.monotonic()
        broken = broken or checked.problem is not None
        say(f"{'no ' if checked.problem else 'yes'} {seconds:6.3f} s  {checked.claim}")
        if checked.problem:
            say(f"              {' '.join(checked.problem.split())}")
    say("The contract does not hold: no demo would prove anything." if broken else "The contract holds.")
    return int(broken)


def _contract(text: str) -> Contract:
    """Return the contract in a target's file, or in a file of its own. Raise ContractError."""
    found = loaded(text)
    if not isinstance(found, dict) or "service" not in found:
        return parse(text)
    if contract := target.parse(text).contract:
        return contract
    raise ContractError("the target has no contract.")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.prove contract",
        description="Tries the contract in a target's file on the running service, before any fault.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, help="a target's file, or a contract alone")
    parser.add_argument("--url", type=_address, required=True, help="the service's address")
    parser.add_argument("--secrets", default="", help="a directory with a file for each {secret:NAME} in the contract")
    return parser.parse_args(arguments)


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and text.isprintable()
    except ValueError:  # of the host or the port
        is_address = False
    if not is_address or " " in text or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("an address is such as http://127.0.0.1:8000, and has no query")
    return text
