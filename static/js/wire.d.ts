// Made by `python -m tools.docs.schemas` from dashboard/core/wire.py.
export as namespace wire; // so that every module's comments can name wire.State

/** The deployment. `crash` says whether the database's pod has a crash container, `actions` what the cluster lets the dashboard do. */
export interface About {
  namespace: string;
  cluster: string;
  kubernetes_version: string | null;
  crash: boolean;
  actions: ("autoscaler" | "pods" | "rollout")[];
  viewers: number;
}

/** A line of GET /api/audit. */
export interface ActionView {
  id: number;
  at: string;
  by: string;
  action: string;
  outcome: string;
  object: ObjectRef | null;
}

/** An alert that fires. `severity` is the rule's own: critical, warning or another word. */
export interface AlertView {
  id: string;
  name: string;
  severity: string;
  summary: string;
  since: string;
}

/** A container's CPU in millicores, or memory in bytes: its request and limit, None if it has none; those that fit the usage; and the usage: nine of ten samples are at or under `typical`, and none is over `peak`. */
export interface AmountView {
  request: number | null;
  limit: number | null;
  fit_request: number;
  fit_limit: number;
  typical: number;
  peak: number;
  reason: string;
}

/** The replicas that all metrics together ask for, before windows, policies and bounds; None if nothing happens. */
export interface AskView {
  replicas: number | null;
  sentence: string;
}

/** `target_of_requests` is the CPU target in percent of what the pods request, as the chart of CPU has it. */
export interface AutoscalerView {
  scales: string | null;
  min: number;
  max: number;
  current: number;
  desired: number;
  cpu_percent: number | null;
  target_percent: number | null;
  cpu_millicores: number | null;
  target_millicores: number | null;
  last_scaled: string | null;
  conditions: ConditionView[];
  target_of_requests: number | null;
  evaluation: Evaluation | null;
  metrics: MetricView[];
  asks: AskView | null;
  findings: Finding[];
}

/** A figure for each direction. */
export interface Both {
  up: number;
  down: number;
}

export interface ByHandView {
  command: string;
  watch: string;
}

/** One claim's own verdict. `name` is the field of the evidence that it is about. */
export interface CheckView {
  name: string;
  claim: string;
  verdict: "fail" | "inconclusive" | "pass";
  reason: string | null;
}

/** `of_database`: whether the database's data are on it. */
export interface ClaimView {
  name: string;
  uid: string;
  of_database: boolean;
  phase: string;
  capacity_bytes: number | null;
  volume: string | null;
}

export interface ConditionView {
  id: string;
  type: string;
  status: string;
  since: string | null;
  reason: string;
  message: string;
}

/** A line of GET /api/demos. `comparison` has {} for the figure by which runs are compared. */
export interface DemoView {
  id: string;
  title: string;
  claim: string;
  takes: string;
  sentence: string;
  steps: StepSpec[];
  options: Record<string, any>[];
  evidence: EvidenceField[];
  comparison: string;
  by_hand: ByHandView;
}

/** `text` is the document's exact JSON where a browser's numbers could not hold it. */
export interface DocumentView {
  id: string;
  document: Record<string, any>;
  inserted: string | null;
  truncated: boolean;
  text: string | null;
}

/** The autoscaler's arithmetic, by its controller's rules, in numbers and in words. */
export interface Evaluation {
  replicas: number;
  target: number;
  unit: "%" | "m";
  tolerance: Both;
  widest_tolerance: Both;
  low: number | null;
  high: number | null;
  notes: string[];
  disabled: string[];
  condition: string;
  rules: RulesInWords;
  measured: number | null;
  missing: number | null;
  unready: number | null;
  ignored: number | null;
  percent: number | null;
  adjusted: number | null;
  ratio: number | null;
  newest: boolean | null;
  wanted: number | null;
  clamped: number | null;
  allowed_now: number | null;
  recommended: number | null;
  limited_by: string | null;
  formula: string | null;
  sentence: string | null;
  next: string | null;
  then: string | null;
  provided: string | null;
  until: string | null;
  until_replicas: number | null;
  last: LastChange | null;
  owed: number | null;
}

export interface EvidenceField {
  name: string;
  words: string;
  unit: string;
}

/** A run's evidence file, GET /api/runs/<id>/evidence. One that is not `kept` is in the memory of the dashboard that made it until that restarts; `why` says why. */
export interface EvidenceFileView {
  bytes: number;
  sha256: string;
  kept: boolean;
  why: string | null;
}

/** A setting by which an autoscaler can't do its work. `id` is a code: NoRequest, MinIsMax … */
export interface Finding {
  id: string;
  tone: "bad" | "warn";
  text: string;
}

/** The autoscaler's last change of the number of pods. */
export interface LastChange {
  at: string;
  from: number;
  to: number;
  formula: string | null;
  expected: number | null;
}

/** `run` is the id of what holds the lease: a run, a load ("load-…"), a restart ("restart-…") or a change of the deployment ("change-…"). */
export interface LeaseView {
  holder: string;
  run: string;
  since: string;
}

/** `duration` is in seconds, `rate` in requests a second. */
export interface LoadView {
  active: boolean;
  rate: number;
  duration: number;
  by: string;
  started: string;
  ends: string | null;
  offered: number;
  achieved: number;
  dropped: number;
  errors_per_second: number;
  p50_ms: number | null;
  p99_ms: number | null;
  lag_p99_ms: number | null;
  cpu_percent: number | null;
  connections: number;
  error: string | null;
}

/** A metric of the autoscaler: its target, its value and the pods that it proposes. `measured_by` says whose figure the proposal is from: the dashboard's samples, or the controller's own in the object's status. */
export interface MetricView {
  id: string;
  type: string;
  name: string;
  container: string | null;
  object: string | null;
  target: string;
  current: string | null;
  measured_by: "controller" | "samples" | null;
  proposed: number | null;
  formula: string | null;
  problem: string | null;
}

export interface MongoView {
  state: "down" | "up";
  since: string;
  version: string | null;
  count: number | null;
  size_bytes: number | null;
  ops_per_second: number | null;
  volume: VolumeView | null;
  newest: DocumentView[];
}

export interface ObjectCondition {
  type: string;
  status: string;
  reason: string | null;
  message: string | null;
  since: string | null;
}

/** An object of the deployment: GET /api/objects/<kind>/<name>. `note` says what can't be shown, and why; `yaml` is None if the dashboard may not read the object itself. */
export interface ObjectDetails {
  kind: string;
  name: string;
  uid: string | null;
  created: string | null;
  facts: ObjectFact[];
  conditions: ObjectCondition[];
  events: ObjectEvent[];
  related: RelatedObject[];
  revisions: RevisionDiff | null;
  note: string | null;
  yaml: string | null;
}

/** A Kubernetes Event; `source` is the component that wrote it. */
export interface ObjectEvent {
  id: string;
  type: string;
  reason: string;
  message: string;
  count: number;
  at: string | null;
  container: string | null;
  from: string | null;
}

export interface ObjectFact {
  name: string;
  value: string;
}

export interface ObjectRef {
  kind: string;
  name: string;
  uid: string | null;
}

/** A scaling that the autoscaler owed: from `since`, at the latest by `by`; `met` is when it came. */
export interface ObligationView {
  what: string;
  since: string;
  by: string;
  met: string | null;
  text: string;
}

/** The socket's "patch": changes to the state of `seq` - 1, as core/state/diff.py makes and applies them. */
export interface PatchMessage {
  epoch: string;
  seq: number;
  changes: any[];
}

/** `phase` is the Pod's, or Terminating. `reason` is Kubernetes' word for a problem, `unready` why a service pod that runs is not Ready, in its own words. */
export interface PodView {
  name: string;
  uid: string;
  app: string;
  phase: string;
  ready: boolean;
  restarts: number;
  created: string;
  node: string | null;
  cpu_millicores: number | null;
  memory_bytes: number | null;
  requests_per_second: number | null;
  errors_per_second: number | null;
  cpu_request_millicores: number | null;
  cpu_limit_millicores: number | null;
  memory_request_bytes: number | null;
  memory_limit_bytes: number | null;
  ip: string | null;
  reason: string | null;
  unready: string | null;
}

/** New points of the charts: for each table and each pod, columns of equal length. `at` is in seconds since 1970. */
export interface Points {
  tables: Record<string, Record<string, (number | null)[]>>;
  pods: Record<string, Record<string, (number | null)[]>>;
}

/** An object that has a drawer. `uid` is a pod's; `role` says what the object is to the one that names it. */
export interface RelatedObject {
  kind: string;
  name: string;
  uid: string | null;
  role: string;
}

/** The Deployment's two newest revisions: their numbers, what differs in words, and as a unified diff of YAML. */
export interface RevisionDiff {
  before: number;
  after: number;
  words: string[];
  diff: string;
}

/** A Deployment's roll-out, as `kubectl rollout status` has it. `text` says how far it is. */
export interface RolloutView {
  state: "complete" | "failed" | "paused" | "progressing";
  text: string;
  revision: string | null;
}

export interface RulesInWords {
  up: string;
  down: string;
}

export interface RunEntry {
  at: string;
  step: string | null;
  text: string;
}

/** A run among the earlier ones. */
export interface RunRow {
  id: string;
  demo: string;
  verdict: "fail" | "inconclusive" | "pass" | "running";
  line: string | null;
  reason: string | null;
  started: string;
  ended: string | null;
  by: string | null;
  figures: Record<string, any>;
  key_figures: string[];
  lines: string[][];
  compared: number | null;
  owed: ObligationView | null;
  evidence_file: EvidenceFileView | null;
}

export interface RunStep {
  id: string;
  title: string;
  state: "done" | "failed" | "running" | "skipped" | "waiting";
  started: string | null;
  ended: string | null;
  text: string;
}

/** A run, whole. `evidence` is the demo's: its fields are listed by GET /api/demos. */
export interface RunView {
  id: string;
  demo: string;
  options: Record<string, any>;
  by: string;
  verdict: "fail" | "inconclusive" | "pass" | "running";
  line: string | null;
  reason: string | null;
  started: string;
  ended: string | null;
  checks: CheckView[];
  key_figures: string[];
  lines: string[][];
  compared: number | null;
  steps: RunStep[];
  evidence: Record<string, any>;
  evidence_file: EvidenceFileView | null;
  timeline: RunEntry[];
}

/** A change of the number of pods, `after` seconds, at a CPU value of `percent` in the target's unit. */
export interface Scaling {
  after: number;
  from: number;
  to: number;
  percent: number;
  formula: string | null;
}

export interface ServiceView {
  name: string;
  endpoints: number;
}

/** A line of GET /api/sizing. Without amounts, `absent` says why. `seconds` is from the first sample to the last. */
export interface SizingView {
  id: string;
  app: string;
  container: string;
  samples: number;
  pods: number;
  seconds: number;
  cpu: AmountView | null;
  memory: AmountView | null;
  absent: string | null;
}

/** The socket's "snapshot": the whole state, on connecting and when the page asks for it. */
export interface SnapshotMessage {
  epoch: string;
  seq: number;
  state: State;
}

/** `as_of` is when the source was last live. While it is, `error` names the objects that can't be read. */
export interface SourceView {
  state: "connecting" | "forbidden" | "live" | "stale";
  as_of: string | null;
  since: string | null;
  error: string | null;
}

/** All that the page shows. `epoch` is another one after each start of the dashboard, `seq` counts patches. `confidence` says of each demo what its kept runs show together. `alerts` is null where no Prometheus is asked, and before its first answer. */
export interface State {
  epoch: string;
  seq: number;
  as_of: string;
  pods: PodView[];
  autoscaler: AutoscalerView | null;
  deployment: WorkloadView | null;
  statefulset: WorkloadView | null;
  claims: ClaimView[];
  service: ServiceView | null;
  traffic: TrafficView | null;
  mongo: MongoView | null;
  load: LoadView | null;
  run: RunView | null;
  runs: RunRow[];
  confidence: Record<string, string>;
  alerts: AlertView[] | null;
  lease: LeaseView | null;
  sources: Record<string, SourceView>;
  about: About;
  timeline: TimelineEntry[];
}

export interface StepSpec {
  id: string;
  title: string;
}

/** The socket's "tick", each second: the last patch's `seq`, so that a page notices what it missed. */
export interface TickMessage {
  epoch: string;
  seq: number;
  as_of: string;
  points?: Points | null;
}

/** `mark` is a very short label for the charts. */
export interface TimelineEntry {
  id: string;
  at: string;
  kind: "action" | "change" | "event";
  tone: "bad" | "busy" | "good" | "off" | "warn";
  text: string;
  about: ObjectRef | null;
  mark: string | null;
}

export interface TrafficView {
  requests_per_second: number;
  errors_per_second: number;
  p50_ms: number | null;
  p99_ms: number | null;
}

export interface VolumeView {
  used_bytes: number;
  total_bytes: number;
}

/** The autoscaler's answer to other figures: GET /api/autoscaler/what-if. `low` and `high` are the tolerance's bounds; `wanted` is None where the number of pods is out of bounds. `scalings` follow while the same work is spread evenly over the pods; without `settled` there are more than the listed ones. */
export interface WhatIf {
  replicas: number;
  percent: number;
  target: number;
  unit: "%" | "m";
  min: number;
  max: number;
  low: number;
  high: number;
  wanted: number | null;
  clamped: number;
  formula: string | null;
  sentence: string;
  notes: string[];
  scalings: Scaling[];
  ends_at: number;
  percent_at_end: number;
  settled: boolean;
  summary: string;
  findings: Finding[];
}

/** `rollout` is null for a StatefulSet, as is `progress_deadline`: the seconds without progress after which the Deployment's controller calls a roll-out failed. */
export interface WorkloadView {
  name: string;
  desired: number;
  ready: number;
  updated: number;
  available: number;
  replicas: number;
  failure: string | null;
  rollout: RolloutView | null;
  progress_deadline: number | null;
}
