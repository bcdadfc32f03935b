"""Errors of the cluster and of the deployment. Each message is one sentence that says what to do next.

ClusterError
├── HostError      the machine lacks something: root, disk, memory, a port, a package
├── BuildError     a program of the cluster could not be built
└── StartError     a program of the node did not come up
"""


class ClusterError(Exception):
    """The command failed. The message is for its user."""


class HostError(ClusterError):
    """The machine lacks something that the cluster needs."""


class BuildError(ClusterError):
    """A program of the cluster could not be built."""


class StartError(ClusterError):
    """A program of the node did not come up."""
