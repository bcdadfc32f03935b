"""All cases, in the order in which they are measured."""

from collections.abc import Sequence

from tests.e2e.proofs import controls
from tests.trust.case import AUTOSCALE, BROKEN, FAIL, HEALTHY, INCONCLUSIVE, PERSISTENCE, Case, Event, State, unchanged
from tests.trust.faults import autoscaler, database, service
from tests.trust.healthy import states

CRASH = "crash"
LOADED = "load"  # the step of an autoscale run during which the load runs
AFTER_OUTAGE = "after"  # the step of a persistence run after the outage
LOST = r"acknowledged and (is|are) lost"
STALE = r"before (an )?acknowledged write"


def _healthy(demo: str, name: str, state: State, mode: str = "") -> Case:
    return Case(name, demo, HEALTHY, state, options=_options(mode))


def _broken(
    demo: str, name: str, verdicts: Sequence[str], reason: str, state: State = unchanged,
    event: Event = unchanged, step: str = "", mode: str = "",
) -> Case:  # fmt: skip
    return Case(name, demo, BROKEN, state, event, step, _options(mode), tuple(verdicts), reason)


def _options(mode: str) -> dict[str, str]:
    return {"mode": mode} if mode else {}


PERSISTENCE_HEALTHY = [
    _healthy(PERSISTENCE, "at rest, graceful", states.at_rest),
    _healthy(PERSISTENCE, "at rest, crash", states.at_rest, CRASH),
    _healthy(PERSISTENCE, "right after 60 s of ab", states.after_ab),
    _healthy(PERSISTENCE, "right after an autoscale run", states.after_run(AUTOSCALE)),
    _healthy(PERSISTENCE, "right after a crash run", states.after_run(PERSISTENCE, mode=CRASH)),
    _healthy(PERSISTENCE, "crash, right after a graceful run", states.after_run(PERSISTENCE), CRASH),
    _healthy(PERSISTENCE, "right after a roll-out", states.after_roll_out),
    _healthy(PERSISTENCE, "right after the dashboard's restart", states.after_dashboard_restart),
    _healthy(PERSISTENCE, "right after MongoDB's restart", states.after_mongodb_restart),
    _healthy(PERSISTENCE, "100 writes a second go on", states.with_writes),
    _healthy(PERSISTENCE, "crash, 100 writes a second go on", states.with_writes, CRASH),
    _healthy(PERSISTENCE, "ab goes on", states.with_ab),
    _healthy(PERSISTENCE, "one core is busy", states.with_busy_core),
    _healthy(PERSISTENCE, "an empty collection", states.with_documents(0)),
    _healthy(PERSISTENCE, "100,000 documents", states.with_documents(states.MANY)),
    _healthy(PERSISTENCE, "one service pod", states.with_one_pod),
]

PERSISTENCE_BROKEN = [
    _broken(PERSISTENCE, "MongoDB on an emptyDir", [FAIL], LOST, database.no_volume),
    _broken(
        PERSISTENCE, "the service writes with w: 0, crash", [FAIL], f"{LOST}|{STALE}",
        database.unacknowledged_writes, mode=CRASH,
    ),
    _broken(PERSISTENCE, "the next pod wipes the volume", [FAIL], LOST, database.volume_wiped_at_start),
    _broken(
        PERSISTENCE, "documents are deleted during the run", [FAIL], LOST,
        event=database.documents_deleted, step=AFTER_OUTAGE,
    ),
    _broken(
        PERSISTENCE, "documents are changed during the run", [FAIL], "not as (it was|they were) written",
        event=database.documents_changed, step=AFTER_OUTAGE,
    ),
    _broken(
        PERSISTENCE, "documents appear that nobody wrote", [FAIL], "nobody wrote",
        event=database.documents_inserted, step=AFTER_OUTAGE,
    ),
    _broken(
        PERSISTENCE, "the service stores 49 of 50", [FAIL], LOST, service.with_program(service.DROPS_INSERTS)
    ),
    _broken(
        PERSISTENCE, "the service answers before it stores", [FAIL], LOST,
        service.with_program(service.ANSWERS_BEFORE_STORING),
    ),
    _broken(
        PERSISTENCE, "the service's pages are 3 s old", [FAIL], STALE,
        service.with_program(controls.STALE_PAGES),
    ),
    _broken(
        PERSISTENCE, "deleted documents come back", [FAIL], "after (its|their) acknowledged deletion",
        service.with_program(controls.REVIVES_DOCUMENTS),
    ),
    _broken(
        PERSISTENCE, "replacements are undone", [FAIL], "went back to (an )?older version",
        service.with_program(controls.REVERTS_REPLACEMENTS),
    ),
    _broken(
        PERSISTENCE, "no service pods", [INCONCLUSIVE], "nothing at its address|does not answer",
        database.no_service,
    ),
    _broken(
        PERSISTENCE, "the service is too slow", [INCONCLUSIVE], "thin.*slowest write",
        service.with_program(service.SLOW),
    ),
    _broken(
        PERSISTENCE, "MongoDB refuses the service's writes", [INCONCLUSIVE],
        "refuses the service's user|not authorized|answered [45]",
        database.read_only_user,
    ),
    _broken(
        PERSISTENCE, "mongod never returns", [INCONCLUSIVE],
        "no new process of the database.*(CrashLoop|Error|restarted)", database.mongod_never_returns,
    ),
    _broken(
        PERSISTENCE, "MongoDB is down from the start", [INCONCLUSIVE], "MongoDB|mongodb-0",
        database.scaled_to_zero,
    ),
    _broken(
        PERSISTENCE, "no crash container, crash", [INCONCLUSIVE], "crash container",
        database.no_crash_container, mode=CRASH,
    ),
    _broken(
        PERSISTENCE, "a wrong crash token, crash", [INCONCLUSIVE], "token",
        database.wrong_crash_token, mode=CRASH,
    ),
]  # fmt: skip

AUTOSCALE_HEALTHY = [
    _healthy(AUTOSCALE, "at rest", states.at_rest),
    _healthy(AUTOSCALE, "right after 60 s of ab", states.after_ab),
    _healthy(AUTOSCALE, "right after a persistence run", states.after_run(PERSISTENCE)),
    _healthy(AUTOSCALE, "right after an autoscale run", states.after_run(AUTOSCALE)),
    _healthy(AUTOSCALE, "right after a roll-out", states.after_roll_out),
    _healthy(AUTOSCALE, "100 writes a second go on", states.with_writes),
    _healthy(AUTOSCALE, "one core is busy", states.with_busy_core),
    _healthy(AUTOSCALE, "an empty collection", states.with_documents(0)),
    _healthy(AUTOSCALE, "100,000 documents", states.with_documents(states.MANY)),
    _healthy(AUTOSCALE, "requests of 50m", states.with_cpu_request("50m")),
    _healthy(AUTOSCALE, "requests of 200m", states.with_cpu_request("200m")),
    _healthy(AUTOSCALE, "metrics every 60 s", states.with_sampling_interval(60)),
    _healthy(AUTOSCALE, "min 1, max 10", states.with_replicas(1, 10)),
    _healthy(AUTOSCALE, "a target of 50 %", states.with_target(type="Utilization", averageUtilization=50)),
    _healthy(AUTOSCALE, "a target of 70m a pod", states.with_target(type="AverageValue", averageValue="70m")),
    _healthy(
        AUTOSCALE, "one pod per 30 s",
        states.with_behavior("scaleUp", policies=[{"type": "Pods", "value": 1, "periodSeconds": 30}]),
    ),
    _healthy(AUTOSCALE, "right after MongoDB's restart", states.after_mongodb_restart),
]  # fmt: skip

AUTOSCALE_BROKEN = [
    _broken(
        AUTOSCALE, "scale-up is disabled", [INCONCLUSIVE], "disabled", autoscaler.scaling_disabled("scaleUp")
    ),
    _broken(
        AUTOSCALE, "scale-down is disabled", [INCONCLUSIVE], "disabled", autoscaler.scaling_disabled("scaleDown")
    ),
    _broken(AUTOSCALE, "a quota forbids new pods", [FAIL], "quota", autoscaler.quota_forbids_pods),
    _broken(
        AUTOSCALE, "new pods' image is missing", [FAIL], "ImagePull|ErrImage|image",
        autoscaler.new_pods_without_image,
    ),
    _broken(
        AUTOSCALE, "new pods never become Ready", [FAIL], "readiness|not Ready", autoscaler.new_pods_never_ready
    ),
    _broken(AUTOSCALE, "new pods answer 500", [FAIL], "500|failed", autoscaler.new_pods_answer_500),
    _broken(
        AUTOSCALE, "the Service misses new pods", [FAIL], "endpoint|selector|Service|serve",
        autoscaler.service_misses_new_pods,
    ),
    _broken(AUTOSCALE, "the service leaks errors", [FAIL], "failed", service.with_program(service.LEAKS_ERRORS)),
    _broken(
        AUTOSCALE, "metrics-server stops in mid-run", [INCONCLUSIVE], "metrics|figures",
        event=autoscaler.metrics_server_stops, step=LOADED,
    ),
    _broken(
        AUTOSCALE, "the autoscaler is deleted in mid-run", [INCONCLUSIVE], "deleted|no autoscaler",
        event=autoscaler.autoscaler_is_deleted, step=LOADED,
    ),
    _broken(
        AUTOSCALE, "its target is renamed in mid-run", [INCONCLUSIVE], "target|scaleTargetRef|FailedGetScale",
        event=autoscaler.target_is_renamed, step=LOADED,
    ),
    _broken(AUTOSCALE, "max is min", [INCONCLUSIVE], "min.*max", states.with_replicas(2, 2)),
    _broken(
        AUTOSCALE, "a target of 1000 %", [INCONCLUSIVE], "1,?000",
        states.with_target(type="Utilization", averageUtilization=1000),
    ),
]  # fmt: skip

CASES: Sequence[Case] = [*PERSISTENCE_HEALTHY, *PERSISTENCE_BROKEN, *AUTOSCALE_HEALTHY, *AUTOSCALE_BROKEN]
