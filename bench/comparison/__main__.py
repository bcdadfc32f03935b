"""`python -m bench.comparison [--rows …] [--peers …] …` measures a part of the comparison, and prints it."""

import argparse
import time

from bench import comparison
from bench.comparison.peers import PEERS_BY_NAME
from bench.comparison.rows import ROWS


def main() -> None:
    plan = comparison.Plan()
    parser = argparse.ArgumentParser(prog="bench.comparison", description=comparison.__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=plan.rows, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS_BY_NAME, default=plan.peers, metavar="PEER", help=", ".join(PEERS_BY_NAME)
    )
    parser.add_argument("--connections", nargs="+", type=int, default=plan.connections)
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--seconds", type=int, default=plan.seconds, help="of each turn")
    parser.add_argument("--millicpus", type=int, default=plan.millicpus, help="limit of each server's CPU (needs root)")
    given = vars(parser.parse_args())
    given |= {name: tuple(given[name]) for name in ("rows", "peers", "connections")}
    began = time.monotonic()
    result = comparison.measure(
        lambda text: print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True), comparison.Plan(**given)
    )
    print(comparison.report(result))


if __name__ == "__main__":
    main()
