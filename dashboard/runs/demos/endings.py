"""The options of the demos that end the database. A crash needs a container of ours in its pod."""

from dashboard.kube.pods.control import CRASH, GRACEFUL
from dashboard.runs.demo import Choice, Number

DELETE = {GRACEFUL: "delete the pod"}
OPTIONS = (
    Choice("mode", DELETE | {CRASH: "SIGKILL mongod"}, GRACEFUL),
    Number("kills", 1, 5, "kills, in both modes by turns", whole=True),
)
WITHOUT_CRASH = (Choice("mode", DELETE, GRACEFUL),)
