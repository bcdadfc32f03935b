"""The dashboard's wire format as types: the state, the socket's messages, runs. Tests hold the code, the JSON Schema in
docs/schema and the types that the page's JavaScript is checked against to these. Times are RFC 3339 in UTC unless a
field says otherwise; None means "not known".
"""

from typing import Any, Literal

from msgspec import Struct

Verdict = Literal["running", "pass", "fail", "inconclusive"]
StepState = Literal["waiting", "running", "done", "failed", "skipped"]
SourceState = Literal["live", "stale", "connecting", "forbidden"]
Tone = Literal["good", "busy", "warn", "bad", "off"]
Unit = Literal["%", "m"]


class Wire(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all types here: a JSON object with the type's fields and no others."""


class PodView(Wire, frozen=True):
    """`phase` is the Pod's, or Terminating. `reason` is Kubernetes' word for a problem, `unready` why a service pod
    that runs is not Ready, in its own words."""

    name: str
    uid: str
    app: str
    phase: str
    ready: bool
    restarts: int
    created: str
    node: str | None
    cpu_millicores: int | None
    memory_bytes: int | None
    requests_per_second: float | None
    errors_per_second: float | None
    cpu_request_millicores: int | None
    cpu_limit_millicores: int | None
    memory_request_bytes: int | None
    memory_limit_bytes: int | None
    ip: str | None
    reason: str | None
    unready: str | None


class Both(Wire, frozen=True):
    """A figure for each direction."""

    up: float
    down: float


class RulesInWords(Wire, frozen=True):
    up: str
    down: str


class LastChange(Wire, frozen=True, rename={"start": "from"}):
    """The autoscaler's last change of the number of pods."""

    at: str
    start: int
    to: int
    formula: str | None
    expected: int | None


class Evaluation(Wire, frozen=True):
    """The autoscaler's arithmetic, by its controller's rules, in numbers and in words."""

    replicas: int
    target: int
    unit: Unit
    tolerance: Both
    widest_tolerance: Both
    low: int | None
    high: int | None
    notes: list[str]
    disabled: list[str]
    condition: str
    rules: RulesInWords
    measured: int | None
    missing: int | None
    unready: int | None
    ignored: int | None
    percent: int | None
    adjusted: int | None
    ratio: float | None
    newest: bool | None
    wanted: int | None
    clamped: int | None
    allowed_now: int | None
    recommended: int | None
    limited_by: str | None
    formula: str | None
    sentence: str | None
    next: str | None
    then: str | None
    provided: str | None
    until: str | None
    until_replicas: int | None
    last: LastChange | None
    owed: int | None


class MetricView(Wire, frozen=True):
    """A metric of the autoscaler: its target, its value and the pods that it proposes. `measured_by` says whose figure
    the proposal is from: the dashboard's samples, or the controller's own in the object's status."""

    id: str
    type: str
    name: str
    container: str | None
    object: str | None
    target: str
    current: str | None
    measured_by: Literal["samples", "controller"] | None
    proposed: int | None
    formula: str | None
    problem: str | None


class Finding(Wire, frozen=True):
    """A setting by which an autoscaler can't do its work. `id` is a code: NoRequest, MinIsMax …"""

    id: str
    tone: Literal["warn", "bad"]
    text: str


class AskView(Wire, frozen=True):
    """The replicas that all metrics together ask for, before windows, policies and bounds; None if nothing happens."""

    replicas: int | None
    sentence: str


class Scaling(Wire, frozen=True, rename={"start": "from"}):
    """A change of the number of pods, `after` seconds, at a CPU value of `percent` in the target's unit."""

    after: float
    start: int
    to: int
    percent: int
    formula: str | None


class WhatIf(Wire, frozen=True):
    """The autoscaler's answer to other figures: GET /api/autoscaler/what-if. `low` and `high` are the tolerance's
    bounds; `wanted` is None where the number of pods is out of bounds. `scalings` follow while the same work is spread
    evenly over the pods; without `settled` there are more than the listed ones."""

    replicas: int
    percent: int
    target: int
    unit: Unit
    min: int
    max: int
    low: int
    high: int
    wanted: int | None
    clamped: int
    formula: str | None
    sentence: str
    notes: list[str]
    scalings: list[Scaling]
    ends_at: int
    percent_at_end: int
    settled: bool
    summary: str
    findings: list[Finding]


class AmountView(Wire, frozen=True):
    """A container's CPU in millicores, or memory in bytes: its request and limit, None if it has none; those that fit
    the usage; and the usage: nine of ten samples are at or under `typical`, and none is over `peak`."""

    request: int | None
    limit: int | None
    fit_request: int
    fit_limit: int
    typical: int
    peak: int
    reason: str


class SizingView(Wire, frozen=True):
    """A line of GET /api/sizing. Without amounts, `absent` says why. `seconds` is from the first sample to the last."""

    id: str
    app: str
    container: str
    samples: int
    pods: int
    seconds: int
    cpu: AmountView | None
    memory: AmountView | None
    absent: str | None


class ConditionView(Wire, frozen=True):
    id: str
    type: str
    status: str
    since: str | None
    reason: str
    message: str


class AutoscalerView(Wire, frozen=True):
    """`target_of_requests` is the CPU target in percent of what the pods request, as the chart of CPU has it."""

    scales: str | None
    min: int
    max: int
    current: int
    desired: int
    cpu_percent: int | None
    target_percent: int | None
    cpu_millicores: int | None
    target_millicores: int | None
    last_scaled: str | None
    conditions: list[ConditionView]
    target_of_requests: float | None
    evaluation: Evaluation | None
    metrics: list[MetricView]
    asks: AskView | None
    findings: list[Finding]


class RolloutView(Wire, frozen=True):
    """A Deployment's roll-out, as `kubectl rollout status` has it. `text` says how far it is."""

    state: Literal["complete", "progressing", "paused", "failed"]
    text: str
    revision: str | None


class WorkloadView(Wire, frozen=True):
    """`rollout` is null for a StatefulSet, as is `progress_deadline`: the seconds without progress after which the
    Deployment's controller calls a roll-out failed."""

    name: str
    desired: int
    ready: int
    updated: int
    available: int
    replicas: int
    failure: str | None
    rollout: RolloutView | None
    progress_deadline: int | None


class ClaimView(Wire, frozen=True):
    """`of_database`: whether the database's data are on it."""

    name: str
    uid: str
    of_database: bool
    phase: str
    capacity_bytes: int | None
    volume: str | None


class ServiceView(Wire, frozen=True):
    name: str
    endpoints: int


class TrafficView(Wire, frozen=True):
    requests_per_second: float
    errors_per_second: float
    p50_ms: float | None
    p99_ms: float | None


class VolumeView(Wire, frozen=True):
    used_bytes: int
    total_bytes: int


class DocumentView(Wire, frozen=True):
    """`text` is the document's exact JSON where a browser's numbers could not hold it."""

    id: str
    document: dict[str, Any]
    inserted: str | None
    truncated: bool
    text: str | None


class MongoView(Wire, frozen=True):
    state: Literal["up", "down"]
    since: str
    version: str | None
    count: int | None
    size_bytes: int | None
    ops_per_second: float | None
    volume: VolumeView | None
    newest: list[DocumentView]


class LoadView(Wire, frozen=True):
    """`duration` is in seconds, `rate` in requests a second."""

    active: bool
    rate: float
    duration: float
    by: str
    started: str
    ends: str | None
    offered: float
    achieved: float
    dropped: int
    errors_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    lag_p99_ms: float | None
    cpu_percent: float | None
    connections: int
    error: str | None


class RunStep(Wire, frozen=True):
    id: str
    title: str
    state: StepState
    started: str | None
    ended: str | None
    text: str


class RunEntry(Wire, frozen=True):
    at: str
    step: str | None
    text: str


class ObligationView(Wire, frozen=True):
    """A scaling that the autoscaler owed: from `since`, at the latest by `by`; `met` is when it came."""

    what: str
    since: str
    by: str
    met: str | None
    text: str


class EvidenceFileView(Wire, frozen=True):
    """A run's evidence file, GET /api/runs/<id>/evidence. One that is not `kept` is in the memory of the dashboard that
    made it until that restarts; `why` says why."""

    bytes: int
    sha256: str
    kept: bool
    why: str | None


class CheckView(Wire, frozen=True):
    """One claim's own verdict. `name` is the field of the evidence that it is about."""

    name: str
    claim: str
    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str | None


class RunView(Wire, frozen=True):
    """A run, whole. `evidence` is the demo's: its fields are listed by GET /api/demos."""

    id: str
    demo: str
    options: dict[str, Any]
    by: str
    verdict: Verdict
    line: str | None
    reason: str | None
    started: str
    ended: str | None
    checks: list[CheckView]
    key_figures: list[str]
    lines: list[list[str]]
    compared: float | None
    steps: list[RunStep]
    evidence: dict[str, Any]
    evidence_file: EvidenceFileView | None
    timeline: list[RunEntry]


class RunRow(Wire, frozen=True):
    """A run among the earlier ones."""

    id: str
    demo: str
    verdict: Verdict
    line: str | None
    reason: str | None
    started: str
    ended: str | None
    by: str | None
    figures: dict[str, Any]
    key_figures: list[str]
    lines: list[list[str]]
    compared: float | None
    owed: ObligationView | None
    evidence_file: EvidenceFileView | None


class LeaseView(Wire, frozen=True):
    """`run` is the id of what holds the lease: a run, a load ("load-…"), a restart ("restart-…") or a change of the
    deployment ("change-…")."""

    holder: str
    run: str
    since: str


class SourceView(Wire, frozen=True):
    """`as_of` is when the source was last live. While it is, `error` names the objects that can't be read."""

    state: SourceState
    as_of: str | None
    since: str | None
    error: str | None


class About(Wire, frozen=True):
    """The deployment. `crash` says whether the database's pod has a crash container, `actions` what the cluster lets
    the dashboard do."""

    namespace: str
    cluster: str
    kubernetes_version: str | None
    crash: bool
    actions: list[Literal["rollout", "autoscaler", "pods"]]
    viewers: int


class ObjectRef(Wire, frozen=True):
    kind: str
    name: str
    uid: str | None


class TimelineEntry(Wire, frozen=True):
    """`mark` is a very short label for the charts."""

    id: str
    at: str
    kind: Literal["event", "change", "action"]
    tone: Tone
    text: str
    about: ObjectRef | None
    mark: str | None


class AlertView(Wire, frozen=True):
    """An alert that fires. `severity` is the rule's own: critical, warning or another word."""

    id: str
    name: str
    severity: str
    summary: str
    since: str


class State(Wire, frozen=True):
    """All that the page shows. `epoch` is another one after each start of the dashboard, `seq` counts patches.
    `confidence` says of each demo what its kept runs show together. `alerts` is null where no Prometheus is asked, and
    before its first answer."""

    epoch: str
    seq: int
    as_of: str
    pods: list[PodView]
    autoscaler: AutoscalerView | None
    deployment: WorkloadView | None
    statefulset: WorkloadView | None
    claims: list[ClaimView]
    service: ServiceView | None
    traffic: TrafficView | None
    mongo: MongoView | None
    load: LoadView | None
    run: RunView | None
    runs: list[RunRow]
    confidence: dict[str, str]
    alerts: list[AlertView] | None
    lease: LeaseView | None
    sources: dict[str, SourceView]
    about: About
    timeline: list[TimelineEntry]


class SnapshotMessage(Wire, frozen=True):
    """The socket's "snapshot": the whole state, on connecting and when the page asks for it."""

    epoch: str
    seq: int
    state: State


class PatchMessage(Wire, frozen=True):
    """The socket's "patch": changes to the state of `seq` - 1, as core/state/diff.py makes and applies them."""

    epoch: str
    seq: int
    changes: list[Any]


class Points(Wire, frozen=True):
    """New points of the charts: for each table and each pod, columns of equal length. `at` is in seconds since 1970."""

    tables: dict[str, dict[str, list[float | None]]]
    pods: dict[str, dict[str, list[float | None]]]


class TickMessage(Wire, frozen=True):
    """The socket's "tick", each second: the last patch's `seq`, so that a page notices what it missed."""

    epoch: str
    seq: int
    as_of: str
    points: Points | None = None


class ActionView(Wire, frozen=True):
    """A line of GET /api/audit."""

    id: int
    at: str
    by: str
    action: str
    outcome: str
    object: ObjectRef | None


class StepSpec(Wire, frozen=True):
    id: str
    title: str


class ChoiceOption(Wire, frozen=True):
    """`choices` are pairs of a value and what it means."""

    name: str
    choices: list[tuple[str, str]]
    default: str


class NumberOption(Wire, frozen=True):
    name: str
    min: float
    max: float
    unit: str


class EvidenceField(Wire, frozen=True):
    name: str
    words: str
    unit: str


class ByHandView(Wire, frozen=True):
    command: str
    watch: str


class DemoView(Wire, frozen=True):
    """A line of GET /api/demos. `comparison` has {} for the figure by which runs are compared."""

    id: str
    title: str
    claim: str
    takes: str
    sentence: str
    steps: list[StepSpec]
    options: list[dict[str, Any]]
    evidence: list[EvidenceField]
    comparison: str
    by_hand: ByHandView


class ObjectFact(Wire, frozen=True):
    name: str
    value: str


class ObjectCondition(Wire, frozen=True):
    type: str
    status: str
    reason: str | None
    message: str | None
    since: str | None


class ObjectEvent(Wire, frozen=True, rename={"source": "from"}):
    """A Kubernetes Event; `source` is the component that wrote it."""

    id: str
    type: str
    reason: str
    message: str
    count: int
    at: str | None
    container: str | None
    source: str | None


class RelatedObject(Wire, frozen=True):
    """An object that has a drawer. `uid` is a pod's; `role` says what the object is to the one that names it."""

    kind: str
    name: str
    uid: str | None
    role: str


class RevisionDiff(Wire, frozen=True):
    """The Deployment's two newest revisions: their numbers, what differs in words, and as a unified diff of YAML."""

    before: int
    after: int
    words: list[str]
    diff: str


class ObjectDetails(Wire, frozen=True):
    """An object of the deployment: GET /api/objects/<kind>/<name>. `note` says what can't be shown, and why; `yaml` is
    None if the dashboard may not read the object itself."""

    kind: str
    name: str
    uid: str | None
    created: str | None
    facts: list[ObjectFact]
    conditions: list[ObjectCondition]
    events: list[ObjectEvent]
    related: list[RelatedObject]
    revisions: RevisionDiff | None
    note: str | None
    yaml: str | None


# Everything that is sent by itself.
ANSWERS = (RunView, RunRow, DemoView, ActionView, WhatIf, SizingView, ObjectDetails)
DOCUMENTS = (State, SnapshotMessage, PatchMessage, TickMessage, *ANSWERS)
