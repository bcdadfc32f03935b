"""The options of the demos that end the database."""

from dashboard.kube.pods.control import CRASH, GRACEFUL
from dashboard.runs.demo import Choice, Number

OPTIONS = (
    Choice("mode", {GRACEFUL: "delete the pod", CRASH: "SIGKILL mongod"}, GRACEFUL),
    Number("kills", 1, 5, "kills, in both modes by turns", whole=True),
)
