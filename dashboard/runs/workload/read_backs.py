"""Reads a run's documents back once its writers have ended: from the database itself, then through the service."""

from dashboard.core.errors import ExternalError
from dashboard.runs.context import RunContext
from dashboard.runs.ports import DatabaseReader, Writers
from dashboard.runs.words import plural
from dashboard.runs.workload.judgement import traffic
from dashboard.runs.workload.judgement.findings import losses
from dashboard.runs.workload.judgement.judge import judge
from dashboard.runs.workload.operation import ReadBack

READ_RETRY_SECONDS = 1.0


class ReadBacks:
    """What was read back of one run, and why something was not: a sentence, or None."""

    def __init__(self, context: RunContext, reader: DatabaseReader, writers: Writers) -> None:
        self.found: list[ReadBack] = []
        self.unread: str | None = None
        self._context = context
        self._reader = reader
        self._writers = writers

    def read(self, limit: float) -> None:
        """Read from the database, which is tried for `limit` seconds, if there is an adapter for it; then through the
        service. Raise `RunStopped` if the run is cancelled."""
        if self._reader.reads:
            self._read_database(limit)
        self._read_service()

    def rehearse(self, limit: float) -> None:
        """Judge the run's documents in the database before anything is killed, where a file says where they are: by a
        mistake in it, some would seem lost. Raise `RunStopped` if they are not as they were acknowledged within `limit`
        seconds."""
        if self._reader.place:
            found = self._context.wait_for(self._found, READ_RETRY_SECONDS, limit)
            self._context.log(f"From the database: {found:,} documents so far")

    def _found(self) -> int | str:
        """Return how many documents the database has of this run, or what they lack, as a sentence."""
        began = self._context.clock.monotonic()
        try:
            found = self._reader.read(self._context.run.id)
        except ExternalError as error:
            return str(error)
        back = ReadBack("database", began, self._context.clock.monotonic(), found)
        written = traffic.writes(self._writers.ledger.operations())
        if not (differs := " ".join(losses(judge(written, [back])))):
            return len(found)
        return (
            f"Before anything was killed, {self._reader.place} was not what the service writes to, with"
            f" {plural(len(found), 'document')} of this run: {differs}"
        )

    def _read_database(self, limit: float) -> None:
        end = self._context.clock.monotonic() + limit
        while True:
            began = self._context.clock.monotonic()
            try:
                documents = self._reader.read(self._context.run.id)
                self._keep(ReadBack("database", began, self._context.clock.monotonic(), documents))
                break
            except ExternalError as error:
                if self._context.clock.monotonic() >= end:
                    self._miss(str(error))
                    break
                self._context.set_progress(str(error))
            self._context.sleep(READ_RETRY_SECONDS)

    def _read_service(self) -> None:
        self._context.raise_if_cancelled()
        began = self._context.clock.monotonic()
        try:
            documents = self._writers.read(self._context.cancelled)
            self._keep(ReadBack("service", began, self._context.clock.monotonic(), documents))
        except ExternalError as error:
            self._context.raise_if_cancelled()
            self._miss(str(error))

    def _keep(self, back: ReadBack) -> None:
        self.found.append(back)
        found = judge(traffic.writes(self._writers.ledger.operations()), [back])
        where = "From the database" if back.source == "database" else "Through the service"
        self._context.log(
            f"{where}: {len(found.lost)} lost, {len(found.corrupt)} corrupt, {len(found.unexpected)} unexpected,"
            f" {len(found.regressed)} regressed, {len(found.resurrected)} resurrected, {len(found.recovered)} recovered"
        )

    def _miss(self, reason: str) -> None:
        self.unread = " ".join(filter(None, (self.unread, reason)))
        self._context.log(reason)
