"""The composition root.

`create_app` builds everything and starts nothing; `start` starts the threads; `stop` ends them. No module keeps state.
"""

import secrets
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from flask import Flask

from dashboard.actions.actions import Actions, Names
from dashboard.actions.service_control import ServiceControl
from dashboard.clock import SystemClock, now
from dashboard.config import DashboardConfig, read
from dashboard.core.state.snapshot import Targets
from dashboard.dataservice.client import DataServiceClient
from dashboard.dataservice.contract import DataService
from dashboard.dataservice.http_client import HttpClient
from dashboard.kube.client import KubeClient, connection
from dashboard.kube.event_recorder import EventRecorder
from dashboard.kube.lease import KubeLease
from dashboard.kube.objects.control import ObjectControl
from dashboard.kube.objects.reader import KubeObjectReader, ObjectReader
from dashboard.kube.pods.control import PodControl
from dashboard.kube.pods.crash import CrashClient
from dashboard.kube.pods.details import PodReader
from dashboard.kube.pods.merged_log import FollowerSlots
from dashboard.kube.pods.reader import KubePodReader
from dashboard.load.supervisor import LoadSupervisor
from dashboard.mock import Mock
from dashboard.mock.cluster.object_reader import MockObjectReader
from dashboard.mock.cluster.pod_reader import MockPodReader
from dashboard.mock.runs.load_generator import MockLoad
from dashboard.mock.runs.manager import MockRunManager
from dashboard.mock.simulation import SimulationOptions
from dashboard.runs.demo import Tools
from dashboard.runs.demos.registry import offered, offered_for
from dashboard.runs.evidence.ring import EvidenceRing
from dashboard.runs.manager import RunManager
from dashboard.runs.ports import Reader
from dashboard.runs.records.history import ConfigMapHistory
from dashboard.runs.records.memory import MemoryFiles, MemoryHistory, MemoryLease
from dashboard.runs.workload.mongo_reader import MongoReader
from dashboard.runs.workload.postgres_reader import PostgresReader
from dashboard.runs.workload.unread_database import UnreadDatabase
from dashboard.runs.workload.writers import AT_ONCE as WRITES_AT_ONCE
from dashboard.runs.workload.writers import DEADLINE_SECONDS as WRITE_SECONDS
from dashboard.runs.workload.writers import ServiceWriters
from dashboard.sources.alerts import AlertsSource
from dashboard.sources.metrics import Scraper
from dashboard.sources.mongo import MongoSource
from dashboard.sources.rights import RightsSource, needs
from dashboard.sources.watches import ClusterSource
from dashboard.target import postgresql, secret_files
from dashboard.target.client import ServiceClient
from dashboard.target.contract import ContractError
from dashboard.target.own import own
from dashboard.target.target import DatabaseTarget, ProofTarget
from dashboard.target.target import read as read_target
from dashboard.web import auth, problems, static_gzip
from dashboard.web.audit_log import AuditLog, Record
from dashboard.web.health import Probes
from dashboard.web.history_saver import HistorySaver
from dashboard.web.hub import Hub
from dashboard.web.log_streams import LogStreams
from dashboard.web.lookups import Lookups
from dashboard.web.routes.actions import actions
from dashboard.web.routes.advice import advice
from dashboard.web.routes.audit import audit_log
from dashboard.web.routes.documents import documents
from dashboard.web.routes.logs import logs
from dashboard.web.routes.manual import manual
from dashboard.web.routes.objects import objects
from dashboard.web.routes.pages import pages
from dashboard.web.routes.pods import pods
from dashboard.web.routes.runs import runs
from dashboard.web.routes.state import api
from dashboard.web.routes.static_files import static_files
from dashboard.web.sockets.server import Sockets
from webserver.environment import ConfigError
from webserver.forwarded import Forwarded
from webserver.health_server import HealthServer

ROOT = Path(__file__).parent.parent  # holds templates/ and static/
LOAD_PATH = "/data?limit=20"  # of our own service, which a load requests


Manager = RunManager | MockRunManager


class Source(Protocol):
    """Emits events to the hub, from its own threads, between start and stop."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


def create_app(config: DashboardConfig | None = None) -> Flask:
    """Build the application from the configuration, by default the environment's. Raise `ConfigError`."""
    config, target = _with_target(config or read())
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(DASHBOARD=config, MAX_CONTENT_LENGTH=64 << 10)
    hub = Hub(_targets(config), source_names(config, target), epoch=secrets.token_hex(8), viewers=config.viewers)
    problems.install(app)
    auth.install(app, auth.Auth(config), config)
    static_gzip.install(app)
    app.register_blueprint(pages)
    app.register_blueprint(static_files)
    app.register_blueprint(api)
    app.register_blueprint(advice)
    app.register_blueprint(pods)
    app.register_blueprint(objects)
    app.register_blueprint(logs)
    app.register_blueprint(documents)
    app.register_blueprint(runs)
    app.register_blueprint(manual)
    app.register_blueprint(audit_log)
    app.register_blueprint(actions)
    app.extensions["hub"] = hub
    app.extensions["sockets"] = Sockets(app, hub)
    app.extensions["auth"].on_logout(app.extensions["sockets"].end_session)
    app.extensions["sources"] = sources = _sources(config, target, hub)
    app.extensions["pod_reader"] = _pod_reader(config)
    app.extensions["object_reader"] = _object_reader(config, hub, sources)
    app.extensions["data_service"] = _service(config, sources)
    app.extensions["lookups"] = Lookups()
    app.extensions["replaying"] = threading.Lock()  # held while a report reads a run's evidence file
    app.extensions["log_streams"] = LogStreams()
    app.extensions["follower_slots"] = FollowerSlots()
    app.extensions["audit"] = audit = AuditLog(hub.put, _recorder(config))
    app.extensions["history"] = _saver(config, hub, audit)
    app.extensions["manager"] = manager = _manager(config, target, hub, sources, audit)
    app.extensions["actions"] = _actions(config, hub, sources, audit, manager)
    app.wsgi_app = Forwarded(app.wsgi_app, config.trusted_proxies, config.path_prefix)  # type: ignore[method-assign]
    return app


def start(app: Flask) -> None:
    """Start the history saver, the hub, the sources, the audit and the run manager; last, the health server."""
    config: DashboardConfig = app.config["DASHBOARD"]
    sources: list[Source] = app.extensions["sources"]
    requests = next((source.requests for source in sources if isinstance(source, ClusterSource)), None)
    health = app.extensions["health"] = Probes(
        app.extensions["hub"], requests, app.extensions["manager"].demos, config.proof_hours * 3600
    )
    server = app.extensions["health_server"] = HealthServer(config.host, config.probe_port, health.answers())
    if saver := app.extensions["history"]:
        saver.start()  # first, so that no page sees the state without what is kept
    app.extensions["hub"].start(app.extensions["sockets"])
    for source in sources:
        source.start()
    app.extensions["audit"].start()
    app.extensions["manager"].begin()
    server.start()


def stop(app: Flask) -> None:
    """Fail the readiness probe, end the run and its load, keep the history, close the pages' sockets, end the threads.

    The run ends first, so that no other begins, and while the pages can still show it.
    """
    app.extensions["health"].ready = False
    app.extensions["manager"].end()
    if saver := app.extensions["history"]:
        saver.stop()
    app.extensions["sockets"].stop()
    app.extensions["log_streams"].stop()
    app.extensions["audit"].stop()
    for source in app.extensions["sources"]:
        source.stop()
    app.extensions["hub"].stop()
    app.extensions["health_server"].stop()


def source_names(config: DashboardConfig, target: ProofTarget | None) -> tuple[str, ...]:
    """Return the sources, in the page's order."""
    return (
        *ClusterSource.sources,
        *(() if target else MongoSource.sources),
        *(Scraper.sources if config.metrics_port else ()),
        *(AlertsSource.sources if config.prometheus_url else ()),
    )


def _with_target(config: DashboardConfig) -> tuple[DashboardConfig, ProofTarget | None]:
    """Return the configuration with the names of the application to prove, and that target; None if it is our own."""
    if not config.target_file or config.source == "mock":
        return config, None
    try:
        target = read_target(config.target_file)
    except ContractError as error:
        raise ConfigError(f"TARGET_FILE is {config.target_file!r}: {error}") from error
    service, database = target.service, target.database
    named = replace(
        config,
        deployment=service.deployment,
        autoscaler=service.autoscaler,
        service_url=service.url,
        service_address=service.url,
        metrics_port=service.metrics_port,
        statefulset=database.statefulset if database else "",
    )
    return named, target


def _targets(config: DashboardConfig) -> Targets:
    return Targets(
        namespace=config.namespace,
        cluster=config.cluster_name,
        deployment=config.deployment,
        statefulset=config.statefulset,
        autoscaler=config.autoscaler,
        service=config.service,
    )


def _sources(config: DashboardConfig, target: ProofTarget | None, hub: Hub) -> list[Source]:
    if config.source == "mock":
        return [_mock(config, hub)]
    found: list[Source] = [
        ClusterSource(connection(config.kubeconfig), config.namespace, hub.put),
        RightsSource(_control(config).allowed, needs(config.deployment, config.autoscaler), hub.put),
    ]
    if not target:
        found.append(MongoSource(config.mongodb_uri, config.mongodb_database, config.mongodb_collection, hub.put))
    if config.metrics_port:
        found.append(Scraper(hub.pods, config.deployment, config.metrics_port, hub.put))
    if config.prometheus_url:
        found.append(AlertsSource(config.prometheus_url, config.namespace, hub.put))
    return found


def _mock(config: DashboardConfig, hub: Hub) -> Mock:
    return Mock(
        _targets(config),
        hub.put,
        SimulationOptions(
            seed=config.mock_seed,
            speed=config.mock_speed,
            pods=config.mock_pods,
            churn=config.mock_churn,
            quiet=bool(config.mock_quiet),
            autoscaler=config.mock_autoscaler,
            actions=tuple(filter(None, config.mock_actions.split(","))),
            alerts=bool(config.prometheus_url),
        ),
    )


def _pod_reader(config: DashboardConfig) -> PodReader:
    if config.source == "mock":
        return MockPodReader(_targets(config), time.time)
    return KubePodReader(partial(KubeClient, connection(config.kubeconfig)), config.namespace)


def _object_reader(config: DashboardConfig, hub: Hub, sources: list[Source]) -> ObjectReader:
    mock = next((source for source in sources if isinstance(source, Mock)), None)
    if mock:
        return MockObjectReader(_targets(config), mock.control, hub.view)
    return KubeObjectReader(partial(KubeClient, connection(config.kubeconfig)), config.namespace)


def _manager(
    config: DashboardConfig, target: ProofTarget | None, hub: Hub, sources: list[Source], audit: AuditLog
) -> Manager:
    """Return the run manager; the mock's one only simulates kills, loads and verdicts."""
    pod, demos = f"{config.statefulset}-0", offered_for(target) if target else offered(config.mongodb_members)
    if config.source == "mock":
        mock = next(source for source in sources if isinstance(source, Mock))
        return MockRunManager(
            mock,
            MockLoad(mock.generate, hub.put, config.mock_seed),
            hub,
            hub.put,
            audit,
            seed=config.mock_seed,
            speed=config.mock_speed,
            outcome=config.mock_outcome,
            holder=config.name,
            pod=pod,
            demos=demos,
        )
    api = partial(KubeClient, connection(config.kubeconfig))
    pods = _pod_control(config, target)
    url = (config.target_url or config.service_url).rstrip("/")
    service = _proved_service(config, target, url)
    is_kept, runs = config.records == "cluster", f"{config.objects}-runs"
    return RunManager(
        Tools(
            pods=pods,
            load=LoadSupervisor(url + (target.service.load if target else LOAD_PATH), hub.put),
            writers=partial(ServiceWriters, service),
            reader=_reader(config, target, pods, pod),
            view=hub,
            database=pod,
            deployment=config.deployment,
            service=ServiceControl(_control(config), config.deployment),
        ),
        KubeLease(api, config.namespace, config.name, name=runs) if is_kept else MemoryLease(config.name),
        ConfigMapHistory(api, config.namespace, runs) if is_kept else MemoryHistory(),
        EvidenceRing(api, config.namespace, f"{config.objects}-evidence") if is_kept else MemoryFiles(),
        hub.put,
        audit,
        SystemClock(),
        holder=config.name,
        demos=demos,
    )


def _proved_service(config: DashboardConfig, target: ProofTarget | None, url: str) -> ServiceClient:
    """Return the client by which the demos write and read. Raise ConfigError without its secrets."""
    contract = (target.contract if target else None) or own()
    values = _secrets(config, contract.secrets())
    return ServiceClient(contract, HttpClient(WRITE_SECONDS, WRITES_AT_ONCE), url, values)


def _reader(config: DashboardConfig, target: ProofTarget | None, pods: PodControl, pod: str) -> Reader:
    """Return what reads the database itself: an adapter, or none where there is none or it has no way there. Raise
    ConfigError without its password."""
    if target is None:
        return MongoReader(config.mongodb_uri, config.mongodb_database)
    given = target.database.postgresql if target.database else None
    if given is None and config.target_database:
        raise ConfigError(f"TARGET_DATABASE is set, and {config.target_file!r} has no {postgresql.PLACE}.")
    if given is None:
        return UnreadDatabase(pods, pod)
    if config.target_url and not config.target_database:  # this dashboard is not in the cluster
        address = postgresql.address(given.url)
        return UnreadDatabase(pods, pod, f"--database must say by which address {address.host} is reached from here")
    name = postgresql.secret(given.password)
    password = _secrets(config, {name})[name] if name else ""
    return PostgresReader(given, password, config.target_database)


def _secrets(config: DashboardConfig, names: set[str]) -> dict[str, str]:
    try:
        return secret_files.read(config.target_secrets, names)
    except ContractError as error:
        raise ConfigError(f"TARGET_FILE is {config.target_file!r}: {error}") from error


def _pod_control(config: DashboardConfig, target: ProofTarget | None) -> PodControl:
    api = partial(KubeClient, connection(config.kubeconfig))
    if target:
        database = target.database or DatabaseTarget("", "", "/")
        return PodControl(api, config.namespace, container=database.container, data=database.data)
    crash = CrashClient(config.crash_port, config.crash_token) if config.crash_port else None
    return PodControl(api, config.namespace, crash)


def _actions(config: DashboardConfig, hub: Hub, sources: list[Source], audit: AuditLog, manager: Manager) -> Actions:
    mock = next((source for source in sources if isinstance(source, Mock)), None)
    names = Names(config.namespace, config.deployment, config.autoscaler)
    return Actions(mock.control if mock else _control(config), manager.exclusively, hub, audit, names, now)


def _control(config: DashboardConfig) -> ObjectControl:
    return ObjectControl(partial(KubeClient, connection(config.kubeconfig)), config.namespace)


def _recorder(config: DashboardConfig) -> Record | None:
    """Return a writer of Kubernetes Events; None where there is no cluster, or nothing is kept in it."""
    if config.source == "mock" or config.records == "memory":
        return None
    return EventRecorder(partial(KubeClient, connection(config.kubeconfig)), config.namespace, config.name).record


def _saver(config: DashboardConfig, hub: Hub, audit: AuditLog) -> HistorySaver | None:
    """Return the saver of the history; None for the mock, which makes its past up, and where nothing is kept."""
    if config.source == "mock" or config.records == "memory":
        return None
    api = partial(KubeClient, connection(config.kubeconfig))
    name = f"{config.name}/{hub.epoch}"
    return HistorySaver(hub, audit, api, config.namespace, name, f"{config.objects}-history")


def _service(config: DashboardConfig, sources: list[Source]) -> DataService:
    """Return the data service; the mock's one holds the simulation's documents."""
    mock = next((source for source in sources if isinstance(source, Mock)), None)
    return mock.service if mock else DataServiceClient(config.service_url)
