"""Stand-ins for minikube and kind: the arguments that `make up` gives them, their output and their exit statuses.

minikube: cmd/minikube/cmd/image.go (load takes a path, list prints a reference a line), pkg/minikube/reason/reason.go
(DRV_AS_ROOT). kind: pkg/cmd/kind/get/clusters ("No kind clusters found." goes to stderr, status 0), create/cluster,
load/image-archive ("no nodes found for cluster"). Both write a context into the current kubeconfig.
"""

from pathlib import Path

MINIKUBE = r"""#!/bin/bash
# What differs is told by files beside this one: as-root, load-fails, load-says-nothing.
here=$(dirname "$0"); echo "minikube $*" >> "$here/log"
case "$1 $2" in
  "start ")
    if [ -e "$here/as-root" ]; then
      echo '* The "docker" driver should not be used with root privileges. …, use --force.' >&2
      echo 'X Exiting due to DRV_AS_ROOT: The "docker" driver should not be used with root privileges.' >&2
      echo '* If you are running minikube within a VM, consider using --driver=none:' >&2
      exit 61
    fi
    CONTEXT minikube
    echo '* Done! kubectl is now configured to use "minikube" cluster and "default" namespace by default' ;;
  "addons enable") echo "* The '$3' addon is enabled" ;;
  "image load")
    if [ -e "$here/load-fails" ]; then
      echo "X Exiting due to GUEST_IMAGE_LOAD: Failed to load image: no space" >&2
      exit 80
    fi
    if [ -e "$here/load-says-nothing" ]; then exit 0; fi
    LOAD "$3" && tar --extract --to-stdout --file "$3" manifest.json |
      sed 's/.*"RepoTags":\["\([^"]*\)".*/docker.io\/library\/\1\n/' >> "$here/loaded" ;;
  "image ls") cat "$here/loaded" 2>/dev/null; exit 0 ;;
  *) echo "unknown: $*" >&2; exit 64 ;;
esac
"""
KIND = r"""#!/bin/bash
here=$(dirname "$0"); echo "kind $*" >> "$here/log"
case "$*" in
  "get clusters") cat "$here/kind-clusters" 2>/dev/null || echo "No kind clusters found." >&2 ;;
  "create cluster --name "*)
    echo "$4" > "$here/kind-clusters"
    CONTEXT "kind-$4"
    echo "Set kubectl context to \"kind-$4\"" >&2 ;;
  "load image-archive "*" --name "*)
    if [ ! -e "$here/kind-clusters" ]; then echo 'ERROR: no nodes found for cluster "'"$5"'"' >&2; exit 1; fi
    LOAD "$3" ;;
  *) echo "ERROR: unknown command" >&2; exit 1 ;;
esac
"""


def install(directory: Path, load: str = "true", context: str = "true") -> None:
    """Write both. `load` is the command that takes an archive, `context` the one that takes the context's name."""
    directory.mkdir(exist_ok=True)
    for name, script in (("minikube", MINIKUBE), ("kind", KIND)):
        (directory / name).write_text(script.replace("LOAD ", f"{load} ").replace("CONTEXT ", f"{context} "))
        (directory / name).chmod(0o755)


def calls(directory: Path) -> list[str]:
    log = directory / "log"
    return log.read_text().splitlines() if log.exists() else []
