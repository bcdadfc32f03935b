"""The composition root.

`create_app` builds everything and starts nothing; `start` starts the threads; `stop` ends them. No module keeps state.
"""

import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flask import Flask

from dashboard.actions.actions import Actions, Names
from dashboard.clock import now
from dashboard.config import DashboardConfig, read
from dashboard.core.targets import Targets
from dashboard.kube.pods.merged_log import FollowerSlots
from dashboard.parts.cluster import ClusterParts, source_names
from dashboard.parts.mock import MockParts
from dashboard.parts.parts import DashboardParts, Source
from dashboard.sources.watches import ClusterSource
from dashboard.target.contract import ContractError
from dashboard.target.target import ProofTarget
from dashboard.target.target import read as read_target
from dashboard.web import auth, problems, static_gzip
from dashboard.web.audit_log import AuditLog
from dashboard.web.health import Probes
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


def create_app(config: DashboardConfig | None = None) -> Flask:
    """Build the application from the configuration, by default the environment's. Raise `ConfigError`."""
    config, target = _with_target(config or read())
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(DASHBOARD=config, MAX_CONTENT_LENGTH=64 << 10)
    targets = _targets(config)
    hub = Hub(targets, source_names(config, target), epoch=secrets.token_hex(8), viewers=config.viewers)
    is_mock = config.source == "mock"
    parts: DashboardParts = MockParts(config, targets, hub) if is_mock else ClusterParts(config, target, hub)
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
    if target is None:  # of another application's documents the dashboard only reads what a run has written
        app.register_blueprint(documents)
    app.register_blueprint(runs)
    app.register_blueprint(manual)
    app.register_blueprint(audit_log)
    app.register_blueprint(actions)
    app.extensions["hub"] = hub
    app.extensions["sockets"] = Sockets(app, hub)
    app.extensions["auth"].on_logout(app.extensions["sockets"].end_session)
    app.extensions["sources"] = parts.sources()
    app.extensions["pod_reader"] = parts.pod_reader()
    app.extensions["object_reader"] = parts.object_reader()
    app.extensions["data_service"] = parts.data_service()
    app.extensions["lookups"] = Lookups()
    app.extensions["replaying"] = threading.Lock()  # held while a report reads a run's evidence file
    app.extensions["log_streams"] = LogStreams()
    app.extensions["follower_slots"] = FollowerSlots()
    app.extensions["audit"] = audit = AuditLog(hub.put, parts.record())
    app.extensions["history"] = parts.history_saver(audit)
    app.extensions["manager"] = manager = parts.manager(audit)
    names = Names(config.namespace, config.deployment, config.autoscaler)
    app.extensions["actions"] = Actions(parts.object_control(), manager.exclusively, hub, audit, names, now)
    app.wsgi_app = Forwarded(app.wsgi_app, config.trusted_proxies, config.path_prefix)  # type: ignore[method-assign]
    return app


def start(app: Flask) -> None:
    """Start the history saver, the hub, the sources, the audit and the run manager; last, the health server."""
    config: DashboardConfig = app.config["DASHBOARD"]
    sources: Sequence[Source] = app.extensions["sources"]
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
