"""The activities of which only one goes on at a time. An activity's id begins with its kind, a run's with its demo."""

from typing import Literal

Kind = Literal["run", "load", "restart", "change"]


def kind_of(id_: str) -> Kind:
    """Return the kind of the activity with this id; an empty or unknown one is a run's."""
    match id_.partition("-")[0]:
        case "load" | "restart" | "change" as kind:
            return kind
        case _:
            return "run"
