"""The run manager's errors as problem responses."""

import contextlib
from collections.abc import Iterator

from flask import abort

from dashboard.core.errors import ExternalError, InvalidOption
from dashboard.kube.lease import LeaseHeld
from dashboard.load.options import LoadBusy
from dashboard.runs.activity_lock import RunActive
from dashboard.runs.evidence.store import Unkept
from dashboard.runs.manual import UidNotCurrent
from dashboard.runs.records.archive import UnknownRun
from dashboard.web.problems import problem


@contextlib.contextmanager
def run_problems() -> Iterator[None]:
    """Turn the manager's errors into problem responses."""
    try:
        yield
    except InvalidOption as error:
        abort(422, str(error))
    except UnknownRun:
        abort(404, "There is no such run. /api/runs lists the newest ones.")
    except Unkept as error:
        abort(404, str(error))
    except UidNotCurrent as error:
        abort(problem(409, str(error), {"uid": error.uid}))
    except (RunActive, LeaseHeld) as error:
        abort(problem(409, str(error), {"holder": error.holder, "run": error.run or None}))
    except LoadBusy as error:
        abort(problem(409, str(error), {"holder": error.by}))
    except ExternalError as error:
        abort(problem(502, str(error)))
