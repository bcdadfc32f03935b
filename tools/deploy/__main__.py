"""Command line of the deployment: python -m tools.deploy up | secrets | images | login | rotate | down | clean"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tools.cluster import host
from tools.cluster.errors import ClusterError
from tools.cluster.instance import CHECKOUT, cache_directory
from tools.deploy import images, links, mongodb_tls, rollout, rotation, secrets, target


def main() -> int:
    options = _parse()
    host.adopt_defaults()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the image build ends too
    try:
        COMMANDS[options.command](options)
        return 0
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{error}: fix this and retry.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: run it again to continue.", file=sys.stderr)
        return 130


def up(options: argparse.Namespace) -> None:
    """Deploy: install, build, start the cluster, apply the manifests, wait until Ready, print the addresses."""
    say = _timed(options.since)
    where = target.named(options.cluster, options.name)
    target.components()  # a mistake in them is found first
    where.check()
    secrets.ensure(namespace=rollout.namespace())
    # All packages first: the two builds run in parallel, and apt takes one process at a time.
    where.install(images.tools() if images.missing(where.images()) else [], say)
    with _ParallelCommand("images", options) as building:
        where.up(say)
        if not (first := not rollout.deployed(where.kubectl())):
            rollout.require_members(where.kubectl(), target.components())
        building.wait()
    _change_tls(where, say)
    _apply(where, say, target.components())
    rollout.raise_to_minimum(where.kubectl())
    rollout.wait(where.kubectl(), say)
    if mongodb_tls.COMPONENT not in target.components():
        mongodb_tls.delete_objects(where.kubectl())
    say("all Ready")
    where.enforce_network_policies(say)
    if first:
        rollout.wait_for_figure(where.kubectl(), say)
    where.reach(say)
    for url in (service_url(), dashboard_url()):
        rollout.wait_for_answer(url)
    links.remember(where.directory, dashboard_url())
    print(f"service {service_url()}")
    print(links.login(dashboard_url(), secrets.operator_token()))
    if proxied := loopback_proxy():
        print(f"curl sends even these addresses to {proxied}: `export no_proxy=localhost,127.0.0.1` prevents that")


def rotate(options: argparse.Namespace) -> None:
    """Replace every password, key and token of the running deployment, which serves meanwhile.

    An interrupted rotation continues with the next call.
    """
    say = _timed(options.since)
    where = target.named(options.cluster, options.name)
    where.check()
    if not rollout.deployed(where.kubectl()):
        raise ClusterError("Nothing is deployed, so there is nothing to rotate: run `make up` first.")
    components = target.components()
    rollout.require_members(where.kubectl(), components)
    if mongodb_tls.mode(rollout.mongodb(where.kubectl())) != mongodb_tls.wanted(components):
        raise ClusterError("MongoDB's TLS would change: give the COMPONENTS of the last `make up`, or run that first.")
    if secrets.is_rotating():
        say("continuing the rotation that was begun before")
    else:
        single = rollout.HA not in components  # and then there is one member
        secrets.begin_rotation(key_file=single)
        if not single:
            say("the key that the MongoDB members share is kept: they are replaced one after another")
    up(options)
    secrets.end_rotation()
    _apply(where, say, components)
    rotation.wait_until_dropped(where.kubectl(), secrets.retired_users(), say)
    say("all is new, and what was replaced is invalid")


def login(options: argparse.Namespace) -> None:
    """Print the login link, if the dashboard takes its token: that is in the URL's fragment, which no browser sends."""
    where = target.named(options.cluster, options.name)
    url = dashboard_url() if os.environ.get("DASHBOARD_PORT") else links.remembered(where.directory, dashboard_url())
    token = secrets.operator_token()
    links.check(url, token)
    print(links.login(url, token))


def build_images(options: argparse.Namespace) -> None:
    say = _timed(options.since)
    images.build(target.named(options.cluster, options.name).images(), say)
    if options.push:
        if not options.registry:
            raise ClusterError("PUSH=1 needs a registry: give REGISTRY=host/path.")
        images.push(options.registry, say)


def down(options: argparse.Namespace) -> None:
    target.named(options.cluster, options.name).down()
    print("stopped; data, certificates, secrets and images are kept (`make clean` deletes them)")


def clean(options: argparse.Namespace) -> None:
    """Stop everything and delete what `down` keeps: the embedded clusters' state, the secrets, the shared caches."""
    external = [each for each in map(target.External, target.EXTERNAL) if each.directory.exists()]
    for each in external:
        each.down()
    directories = [cache_directory()]
    for directory in CHECKOUT.glob(".cluster*"):
        if directory not in [each.directory for each in external]:
            target.Embedded(directory.name.removeprefix(".cluster").removeprefix("-") or "main").down()
            directories.append(directory)
    if external:
        # Their databases stay and hold the passwords, so the secrets must stay too.
        names = ", ".join(each.name for each in external)
        print(f"secrets are kept for {names}; `kubectl delete namespace {rollout.namespace()}` deletes what runs there")
    else:
        secrets.remove()
    images.clean()
    for directory in filter(Path.exists, directories):
        shutil.rmtree(directory)
    print("data, certificates, images and caches are deleted")


def make_secrets(_options: argparse.Namespace) -> None:
    secrets.ensure(namespace=rollout.namespace())
    places = " and ".join(str((secrets.MANIFESTS / each).relative_to(CHECKOUT)) for each in secrets.PLACES)
    print(f"secrets are in {places}")


COMMANDS = {
    "up": up,
    "secrets": make_secrets,
    "images": build_images,
    "login": login,
    "rotate": rotate,
    "down": down,
    "clean": clean,
}


def loopback_proxy() -> str | None:
    """Return the proxy that the environment gives clients for this machine's own addresses, or None."""
    hosts = ("localhost", "127.0.0.1")
    excluded = all(urllib.request.proxy_bypass(host) for host in hosts)
    return None if excluded else urllib.request.getproxies().get("http")


def service_url() -> str:
    return f"http://127.0.0.1:{target.service_port()}"


def dashboard_url() -> str:
    return f"http://127.0.0.1:{target.dashboard_port()}"


def _change_tls(where: target.Target, say: target.Say) -> None:
    """Roll a running MongoDB out in each mode between the present one and that of the components."""
    components = target.components()
    kubectl = where.kubectl()
    now, then = mongodb_tls.mode(rollout.mongodb(kubectl)), mongodb_tls.wanted(components)
    for step in mongodb_tls.steps(now, then, rollout.members(kubectl)):
        say(f"MongoDB's TLS, on the way from {now} to {then}: {step}")
        with_tls = [*dict.fromkeys([*components, mongodb_tls.COMPONENT])]
        _apply(where, say, with_tls, mongodb_tls.patches(step))
        rollout.wait(kubectl, say)


def _apply(where: target.Target, say: target.Say, components: list[str], more: Sequence[rollout.Patch] = ()) -> None:
    references = where.load(where.images(), say)
    say("applying the manifests")
    checksums = secrets.checksums(tls=mongodb_tls.COMPONENT in components)
    patches = [rollout.secrets_patch(workload, checksum) for workload, checksum in checksums.items()]
    patches += [rollout.address_patch(service_url()), *more]
    directory = where.directory / "manifests"
    rollout.apply(where.kubectl(), where.overlay, components, references, patches, directory)


class _ParallelCommand:
    """A command of this module in a second process: the images are built while Kubernetes is."""

    def __init__(self, command: str, options: argparse.Namespace) -> None:
        since, cluster = f"--since={options.since}", f"--cluster={options.cluster}"
        self.command = (sys.executable, "-m", "tools.deploy", since, cluster, command)

    def __enter__(self) -> "_ParallelCommand":
        self.process = subprocess.Popen(self.command, cwd=CHECKOUT)
        return self

    def wait(self) -> None:
        if self.process.wait() != 0:
            raise ClusterError("The images could not be built; the reason is above.")

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description="Deploys this checkout.")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--cluster", default=os.environ.get("CLUSTER") or "embedded")
    parser.add_argument("--name", default="main", help="name of the embedded instance (default: main)")
    parser.add_argument("--since", type=float, default=time.time(), help="epoch seconds that elapsed times count from")
    parser.add_argument("--registry", default=os.environ.get("REGISTRY", ""))
    parser.add_argument("--push", action="store_true", default=os.environ.get("PUSH") == "1")
    return parser.parse_args()


def _timed(since: float) -> target.Say:
    return lambda text: print(f"{time.time() - since:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
