"""Command line of the embedded cluster: python -m tools.cluster up | down | status | node | load | kubeconfig"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tools.cluster import cgroups, host, lifecycle, nodes
from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT, DASHBOARD, FLASK, Instance, wanted_nodes

MIB = 1 << 20
# (variable, default port on 127.0.0.1, Service), the same as those of `make up`
DEFAULT_FORWARDS = (("SERVICE_PORT", 5000, FLASK), ("DASHBOARD_PORT", 8080, DASHBOARD))


def main() -> int:
    options = _parse()
    host.adopt_defaults()
    try:
        return _execute(options.command, _instance(options), options)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{error}: fix this and retry.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: run it again to continue.", file=sys.stderr)
        return 130


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster", description="Kubernetes in Linux namespaces. NODES sets the number of nodes."
    )
    parser.add_argument("--name", default="main", help="name of the instance (default: main)")
    parser.add_argument("--api-port", type=int, default=os.environ.get("API_PORT") or "6443", metavar="PORT")
    parser.add_argument(
        "--forward", type=_forward, action="append", default=[], metavar="PORT=HOST:PORT",
        help="forward a port of 127.0.0.1 to a Service, such as flask.flask-mongodb.svc.cluster.local:5000",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cluster and wait until its nodes are Ready")
    commands.add_parser("down", help="stop the cluster, keep its data")
    commands.add_parser("status", help="print whether it runs, and how much memory it uses")
    node = commands.add_parser("node", help="lose a node beyond the first, as by a power cut, or start it again")
    node.add_argument("action", choices=("stop", "start"))
    node.add_argument("number", type=int)
    commands.add_parser("load", help="import image archives").add_argument("archives", nargs="+", type=Path)
    commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    return parser.parse_args()


def _forward(text: str) -> tuple[int, str]:
    outside, inside = text.split("=")
    host, port = inside.rsplit(":", 1)
    return int(outside), f"{host}:{int(port)}"


def _instance(options: argparse.Namespace) -> Instance:
    forwards = tuple(options.forward)
    if options.name == "main" and not forwards:
        forwards = tuple((int(os.environ.get(name) or port), inside) for name, port, inside in DEFAULT_FORWARDS)
    directory = CHECKOUT / (".cluster" if options.name == "main" else f".cluster-{options.name}")
    return Instance(options.name, directory, options.api_port, forwards, wanted_nodes())


def _execute(command: str, instance: Instance, options: argparse.Namespace) -> int:
    if command == "up":
        lifecycle.up(instance, _timed())
        print(f"kubeconfig {instance.kubeconfig}")
    elif command == "down":
        print("stopped; its data are kept" if lifecycle.down(instance) else "nothing was running")
    elif command == "node":
        print(_change_node(instance, options.action, options.number))
    elif command == "load":
        for archive in options.archives:
            for place in nodes.running(instance) or [instance.place()]:
                lifecycle.load(instance, archive, place.node.number)
    elif command == "kubeconfig":
        print(instance.kubeconfig)
    elif lifecycle.running_pid(instance) is None:
        print("stopped")
        return 3  # the status of an init script for "not running"
    else:
        print(f"running, {cgroups.memory_bytes(instance.cgroup) // MIB} MiB of memory")
        for place in nodes.running(instance)[1:]:
            print(f"of which {place.node.name}: {cgroups.memory_bytes(place.cgroup) // MIB} MiB")
    return 0


def _change_node(instance: Instance, action: str, number: int) -> str:
    """Stop or start a node. Return what came of it."""
    if action == "stop":
        return "stopped" if lifecycle.stop_node(instance, number) else "it was stopped already"
    return "Ready" if lifecycle.start_node(instance, number, _timed()) else "it runs already"


def _timed() -> lifecycle.Say:
    start = time.monotonic()
    return lambda text: print(f"{time.monotonic() - start:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
