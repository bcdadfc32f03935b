"""Faults of the data service: programs for `python -c` in its image, each with one defect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.trust.case import State
from tests.trust.site import Json, Site

_RUN = """
import sys

sys.argv = ["gunicorn", "--config", "python:service.server.settings"]
from gunicorn.app.wsgiapp import run

run()
"""

_REQUESTS = """
import itertools

import flask
import service.app

create, numbers = service.app.create_app, itertools.count(1)


def create_app(*arguments, **options):
    app = create(*arguments, **options)

    app.view_functions = {{name: refusing(view) for name, view in app.view_functions.items()}}
    return app


def refusing(view):
    def refuse(**arguments):
        if next(numbers) % {every} == 0:
            flask.abort(500, "This service is broken on purpose.")
        return view(**arguments)

    return refuse


service.app.create_app = create_app
"""

_INSERTS = """
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pymongo
from service.preconditions import tag_of
from service.store.collection import Collection, Stored

insert, numbers, pool = Collection.insert, itertools.count(1), ThreadPoolExecutor(8)


def stored(record):
    return Stored(record.identity, tag_of(record.bson), is_new=True)


def broken(self, record):
    {body}


Collection.insert = broken
"""

_INSERT_LATER = """

def later(self, record):
    with pymongo.timeout(0.5):
        insert(self, record)

"""

ANSWERS_500 = _REQUESTS.format(every=1) + _RUN
LEAKS_ERRORS = _REQUESTS.format(every=50) + _RUN
DROPS_INSERTS = (
    _INSERTS.format(body="return stored(record) if next(numbers) % 50 == 0 else insert(self, record)") + _RUN
)
# Inserts that take longer than half a second are lost.
ANSWERS_BEFORE_STORING = (
    _INSERT_LATER + _INSERTS.format(body="pool.submit(later, self, record); return stored(record)") + _RUN
)
SLOW = _INSERTS.format(body="time.sleep(0.6); return insert(self, record)") + _RUN


def with_program(program: str) -> State:
    """The service's pods run another program."""

    def edit(deployment: Json) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["command"] = ["python", "-c", program]

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        with site.changed("deployment", "flask", edit):
            yield

    return state
