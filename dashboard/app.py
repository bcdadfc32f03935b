"""The composition root.

`create_app` builds everything and starts nothing; `start` starts the threads; `stop` ends them. No module keeps state.
"""

import secrets
import time
from functools import partial
from pathlib import Path
from typing import Protocol

from flask import Flask

from dashboard.clock import Clock
from dashboard.config import Config, read
from dashboard.core.snapshot import Targets
from dashboard.dataservice.client import Service as ServiceClient
from dashboard.dataservice.contract import Service
from dashboard.kube.client import Api, connection
from dashboard.kube.crash import Crash
from dashboard.kube.event_recorder import EventRecorder
from dashboard.kube.lease import Lease
from dashboard.kube.logs import Tails
from dashboard.kube.pod_control import PodControl
from dashboard.kube.pod_details import Inspector
from dashboard.kube.pods import Inspector as ClusterInspector
from dashboard.load.supervisor import Load
from dashboard.mock import Fake
from dashboard.mock.generator import FakeLoad
from dashboard.mock.inspector import FakeInspector
from dashboard.mock.manager import MockRunManager
from dashboard.mock.story import Options
from dashboard.runs.audit import Audit, Record
from dashboard.runs.demo import Tools
from dashboard.runs.demos.persistence.document import COLLECTION as PROOFS
from dashboard.runs.demos.persistence.readback import Reader
from dashboard.runs.demos.persistence.writers import AT_ONCE as WRITES_AT_ONCE
from dashboard.runs.demos.persistence.writers import DEADLINE_SECONDS as WRITE_SECONDS
from dashboard.runs.demos.persistence.writers import Writers
from dashboard.runs.history import History
from dashboard.runs.manager import RunManager
from dashboard.sources.metrics import Scrape
from dashboard.sources.mongo import Mongo
from dashboard.sources.watches import Cluster
from dashboard.web import auth, problems
from dashboard.web import static_gzip as packing
from dashboard.web.health import Probe
from dashboard.web.hub import Hub
from dashboard.web.routes.documents import documents
from dashboard.web.routes.pages import pages
from dashboard.web.routes.pods import Looks, pods
from dashboard.web.routes.runs import runs
from dashboard.web.routes.state import api
from dashboard.web.sockets import Sockets

ROOT = Path(__file__).parent.parent  # holds templates/ and static/


Manager = RunManager | MockRunManager


class Source(Protocol):
    """Tells the hub what happens, from threads of its own between start and stop."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


def create_app(config: Config | None = None) -> Flask:
    """The application, all parts joined. Without a configuration, the environment's; ConfigError if that is bad."""
    config = config or read()
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(DASHBOARD=config, MAX_CONTENT_LENGTH=64 << 10)
    hub = Hub(_targets(config), SOURCES, epoch=secrets.token_hex(8), viewers=config.viewers)
    problems.install(app)
    auth.install(app, auth.Auth(config), config.session_key)
    packing.install(app)
    app.register_blueprint(pages)
    app.register_blueprint(api)
    app.register_blueprint(pods)
    app.register_blueprint(documents)
    app.register_blueprint(runs)
    app.extensions["hub"] = hub
    app.extensions["sockets"] = Sockets(app, hub)
    app.extensions["sources"] = sources = _sources(config, hub)
    app.extensions["inspector"] = _inspector(config)
    app.extensions["service"] = _service(config, sources)
    app.extensions["looks"] = Looks()
    app.extensions["tails"] = Tails()
    app.extensions["audit"] = audit = Audit(hub.put, _recorder(config))
    app.extensions["manager"] = _manager(config, hub, sources, audit)
    return app


def start(app: Flask) -> None:
    """Starts the probes, the hub, the sources, and what does the runs."""
    config: Config = app.config["DASHBOARD"]
    sources: list[Source] = app.extensions["sources"]
    asked = next((source.requests for source in sources if isinstance(source, Cluster)), None)
    probe = app.extensions["probe"] = Probe(app.extensions["hub"], config.host, config.probe_port, asked)
    app.extensions["hub"].start(app.extensions["sockets"])
    for source in sources:
        source.start()
    app.extensions["audit"].start()
    app.extensions["manager"].begin()
    probe.start()


def stop(app: Flask) -> None:
    """Tells the probes, ends a run with its load (first, so that none begins meanwhile, and while the pages can still
    see it), closes the pages' sockets, then ends the threads."""
    app.extensions["probe"].ready = False
    app.extensions["manager"].end()
    app.extensions["sockets"].stop()
    app.extensions["tails"].stop()
    app.extensions["audit"].stop()
    for source in app.extensions["sources"]:
        source.stop()
    app.extensions["hub"].stop()
    app.extensions["probe"].stop()


SOURCES = (*Cluster.sources, *Mongo.sources, *Scrape.sources)


def _targets(config: Config) -> Targets:
    return Targets(
        namespace=config.namespace,
        cluster=config.cluster_name,
        deployment=config.deployment,
        statefulset=config.statefulset,
        autoscaler=config.autoscaler,
        service=config.service,
    )


def _sources(config: Config, hub: Hub) -> list[Source]:
    if config.source == "fake":
        return [_fake(config, hub)]
    return [
        Cluster(connection(config.kubeconfig), config.namespace, hub.put),
        Mongo(config.mongodb_uri, config.mongodb_database, config.mongodb_collection, hub.put),
        Scrape(hub.pods, config.deployment, config.metrics_port, hub.put),
    ]


def _fake(config: Config, hub: Hub) -> Fake:
    return Fake(
        _targets(config),
        hub.put,
        Options(
            seed=config.fake_seed,
            speed=config.fake_speed,
            pods=config.fake_pods,
            churn=config.fake_churn,
            quiet=bool(config.fake_quiet),
        ),
    )


def _inspector(config: Config) -> Inspector:
    if config.source == "fake":
        return FakeInspector(_targets(config), time.time)
    return ClusterInspector(partial(Api, connection(config.kubeconfig)), config.namespace)


def _manager(config: Config, hub: Hub, sources: list[Source], audit: Audit) -> Manager:
    """What does the runs. The mock's kills, loads and verdicts are of its story."""
    pod = f"{config.statefulset}-0"
    if config.source == "fake":
        fake = next(source for source in sources if isinstance(source, Fake))
        return MockRunManager(
            fake,
            FakeLoad(fake.generate, hub.put, config.fake_seed),
            hub.pods,
            hub.put,
            audit,
            seed=config.fake_seed,
            speed=config.fake_speed,
            outcome=config.fake_outcome,
            holder=config.name,
            pod=pod,
        )
    api = partial(Api, connection(config.kubeconfig))
    crash = Crash(config.crash_port, config.crash_token) if config.crash_port else None
    return RunManager(
        Tools(
            pods=PodControl(api, config.namespace, crash),
            load=Load(config.service_url, hub.put),
            writers=partial(
                Writers, ServiceClient(config.service_url, WRITE_SECONDS, collection=PROOFS, at_once=WRITES_AT_ONCE)
            ),
            reader=Reader(config.mongodb_uri, config.mongodb_database),
            view=hub,
            database=pod,
            deployment=config.deployment,
        ),
        Lease(api, config.namespace, config.name),
        History(api, config.namespace),
        hub.put,
        audit,
        Clock(),
        holder=config.name,
    )


def _recorder(config: Config) -> Record | None:
    """None for the mock, which has no cluster to change."""
    if config.source == "fake":
        return None
    return EventRecorder(partial(Api, connection(config.kubeconfig)), config.namespace, config.name).record


def _service(config: Config, sources: list[Source]) -> Service:
    """The fake's documents are the ones that its story shows."""
    fake = next((source for source in sources if isinstance(source, Fake)), None)
    return fake.service if fake else ServiceClient(config.service_url)
