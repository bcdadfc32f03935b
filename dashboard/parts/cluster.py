"""The parts of a dashboard with a cluster, for our own deployment or for another application's."""

from collections.abc import Sequence
from functools import partial

from dashboard.actions.service_control import ServiceControl
from dashboard.clock import SystemClock
from dashboard.config import DashboardConfig
from dashboard.dataservice.client import DataServiceClient
from dashboard.dataservice.http_client import HttpClient
from dashboard.kube.client import KubeClient, connection
from dashboard.kube.event_recorder import EventRecorder
from dashboard.kube.lease import KubeLease
from dashboard.kube.objects.control import ObjectControl
from dashboard.kube.objects.reader import KubeObjectReader
from dashboard.kube.pods.control import PodControl
from dashboard.kube.pods.crash import CrashClient
from dashboard.kube.pods.reader import KubePodReader
from dashboard.load.supervisor import LoadSupervisor
from dashboard.parts.parts import Source
from dashboard.runs.demo import Tools
from dashboard.runs.demos.registry import offered, offered_for
from dashboard.runs.evidence.ring import EvidenceRing
from dashboard.runs.manager import RunManager
from dashboard.runs.peers import PeerDashboards
from dashboard.runs.ports import DatabaseReader
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
from dashboard.web.audit_log import AuditLog, Record
from dashboard.web.history_saver import HistorySaver
from dashboard.web.hub import Hub
from webserver.environment import ConfigError

LOAD_PATH = "/data?limit=20"  # of our own service, which a load requests


def source_names(config: DashboardConfig, target: ProofTarget | None) -> tuple[str, ...]:
    """Return the sources, in the page's order."""
    return (
        *ClusterSource.sources,
        *(() if target else MongoSource.sources),
        *(Scraper.sources if config.metrics_port else ()),
        *(AlertsSource.sources if config.prometheus_url else ()),
    )


class ClusterParts:
    """Implements `parts.parts.DashboardParts`. `target` is the application to prove, None if it is our own.

    Raise ConfigError where a part can't be built from the configuration, or the cluster can't be found.
    """

    def __init__(self, config: DashboardConfig, target: ProofTarget | None, hub: Hub) -> None:
        self._config = config
        self._target = target
        self._hub = hub
        self._connection = connection(config.kubeconfig)
        self._api = partial(KubeClient, self._connection)
        self._is_kept = config.run_store == "cluster"
        self._database = f"{config.statefulset}-0"  # its pod

    def sources(self) -> Sequence[Source]:
        config, emit = self._config, self._hub.put
        found: list[Source] = [
            ClusterSource(self._connection, config.namespace, emit),
            RightsSource(self.object_control().allowed, needs(config.deployment, config.autoscaler), emit),
        ]
        if not self._target:
            found.append(MongoSource(config.mongodb_uri, config.mongodb_database, config.mongodb_collection, emit))
        if config.metrics_port:
            found.append(Scraper(self._hub.pods, config.deployment, config.metrics_port, emit))
        if config.prometheus_url:
            found.append(AlertsSource(config.prometheus_url, config.namespace, emit))
        return found

    def pod_reader(self) -> KubePodReader:
        return KubePodReader(self._api, self._config.namespace)

    def object_reader(self) -> KubeObjectReader:
        return KubeObjectReader(self._api, self._config.namespace)

    def object_control(self) -> ObjectControl:
        return ObjectControl(self._api, self._config.namespace)

    def data_service(self) -> DataServiceClient:
        return DataServiceClient(self._config.service_url)

    def record(self) -> Record | None:
        if not self._is_kept:
            return None
        return EventRecorder(self._api, self._config.namespace, self._config.name).record

    def history_saver(self, audit: AuditLog) -> HistorySaver | None:
        config = self._config
        if not self._is_kept:
            return None
        name = f"{config.name}/{self._hub.epoch}"
        return HistorySaver(self._hub, audit, self._api, config.namespace, name, f"{config.object_prefix}-history")

    def manager(self, audit: AuditLog) -> RunManager:
        config, hub, api, target = self._config, self._hub, self._api, self._target
        pods = self._pod_control()
        url = (config.target_url or config.service_url).rstrip("/")
        service = self._proved_service(url)
        runs = f"{config.object_prefix}-runs"
        return RunManager(
            Tools(
                pods=pods,
                load=LoadSupervisor(url + (target.service.load if target else LOAD_PATH), hub.put),
                writers=partial(ServiceWriters, service),
                reader=self._reader(pods),
                view=hub,
                database=self._database,
                deployment=config.deployment,
                service=ServiceControl(self.object_control(), config.deployment),
            ),
            KubeLease(api, config.namespace, config.name, name=runs) if self._is_kept else MemoryLease(config.name),
            ConfigMapHistory(api, config.namespace, runs) if self._is_kept else MemoryHistory(),
            EvidenceRing(api, config.namespace, f"{config.object_prefix}-evidence") if self._is_kept else MemoryFiles(),
            hub.put,
            audit,
            SystemClock(),
            holder=config.name,
            demos=offered_for(target) if target else offered(config.mongodb_members, config.withheld),
            peers=PeerDashboards(self._peer, config.viewer_token, config.operator_token) if config.peers else None,
        )

    def _peer(self, name: str) -> str | None:
        """Return the URL of the dashboard in the pod of this name; None if there is no such pod with an address."""
        ip = next((pod["ip"] for pod in self._hub.pods() if pod["name"] == name), None)
        return f"http://{f'[{ip}]' if ':' in ip else ip}:{self._config.port}" if ip else None

    def _pod_control(self) -> PodControl:
        config = self._config
        if self._target:
            database = self._target.database or DatabaseTarget("", "", "/")
            return PodControl(self._api, config.namespace, container=database.container, data=database.data)
        crash = CrashClient(config.crash_port, config.crash_token) if config.crash_port else None
        return PodControl(self._api, config.namespace, crash)

    def _proved_service(self, url: str) -> ServiceClient:
        """Return the client by which the demos write and read. Raise ConfigError without its secrets."""
        contract = (self._target.contract if self._target else None) or own()
        values = self._secrets(contract.secrets())
        return ServiceClient(contract, HttpClient(WRITE_SECONDS, WRITES_AT_ONCE), url, values)

    def _reader(self, pods: PodControl) -> DatabaseReader:
        """Return what reads the database itself: an adapter, or none where there is none or it has no way there. Raise
        ConfigError without its password."""
        config = self._config
        if self._target is None:
            return MongoReader(config.mongodb_uri, config.mongodb_database)
        given = self._target.database.postgresql if self._target.database else None
        if given is None and config.target_database:
            raise ConfigError(f"TARGET_DATABASE is set, and {config.target_file!r} has no {postgresql.PLACE}.")
        if given is None:
            return UnreadDatabase(pods, self._database)
        if config.target_url and not config.target_database:  # this dashboard is not in the cluster
            host = postgresql.address(given.url).host
            reason = f"--database must say by which address {host} is reached from here"
            return UnreadDatabase(pods, self._database, reason)
        name = postgresql.secret(given.password)
        password = self._secrets({name})[name] if name else ""
        return PostgresReader(given, password, config.target_database)

    def _secrets(self, names: set[str]) -> dict[str, str]:
        try:
            return secret_files.read(self._config.target_secrets, names)
        except ContractError as error:
            raise ConfigError(f"TARGET_FILE is {self._config.target_file!r}: {error}") from error
