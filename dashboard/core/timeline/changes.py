"""The change detector: timeline entries for the notable differences between two states.

A kind is compared only after its first list: objects from before the dashboard's start are not changes. Unchanged parts
are the same object in both states, so comparing them costs next to nothing.
"""

from collections.abc import Iterator
from typing import Any

from dashboard.core.text import listing, plain, shorten, span
from dashboard.core.timeline.entry import Entry, Json
from dashboard.core.timestamps import seconds

SETTLED_SECONDS = 2.0  # a source's state change counts once it has lasted this long
STAMP_SECONDS = 2.0  # creationTimestamps are in whole seconds: a pod observed this soon was observed at its creation
REMEMBERED_NAMES = 100
REASON_LENGTH = 160
MARK_LENGTH = 20  # of a name in a mark

SOURCE_WORDS = {
    "horizontalpodautoscalers": "autoscalers",
    "persistentvolumeclaims": "volume claims",
    "endpointslices": "endpoints",
}


class ChangeDetector:
    """Compares consecutive states, and remembers the start of each condition to report its duration."""

    def __init__(self) -> None:
        # All times are in seconds since 1970.
        self._unready: dict[str, tuple[float, bool]] = {}  # pod's uid → (start, whether it was ready before)
        self._terminating: dict[str, float] = {}  # pod's uid → start
        self._gone: dict[str, float] = {}  # pod's name → end of the last pod of that name
        self._away: dict[str, float] = {}  # source → start of its reported absence
        self._inactive: float | None = None  # since when the autoscaler can't scale
        self._without_endpoints: float | None = None  # since when the Service has no endpoints

    def between(self, before: Json, after: Json, at: str) -> Iterator[Entry]:
        """Yield the changes from `before` to `after`, causes first. Their time is `at` unless the state has one."""
        if before["autoscaler"] is not after["autoscaler"] and _listed(before, "horizontalpodautoscalers"):
            yield from self._autoscaler(before["autoscaler"], after["autoscaler"], at)
        yield from _replicas(before, after, at)
        if before["pods"] is not after["pods"] and _listed(before, "pods"):
            yield from self._pods(before["pods"], after, at)
        yield from self._endpoints(before["service"], after["service"], at)
        if before["claims"] != after["claims"] and _listed(before, "persistentvolumeclaims"):
            yield from _claims(before["claims"], after["claims"], at)
        if before["mongo"] is not after["mongo"] and before["mongo"] and after["mongo"]:
            yield from _mongo(before["mongo"], after["mongo"], after["sources"].get("mongo") or {})
        yield from self._sources(after["sources"], at)

    # The autoscaler

    def _autoscaler(self, was: Json | None, now: Json | None, at: str) -> Iterator[Entry]:
        if was is None or now is None:
            if now:
                yield Entry(at, "off", f"Autoscaler created: {now['min']} to {now['max']} pods")
            elif was:
                yield Entry(at, "warn", "Autoscaler deleted")
            return
        if was["desired"] != now["desired"]:
            yield Entry(at, *_scaled(was["desired"], now), None, f"{was['desired']} → {now['desired']}")
        if (was["min"], was["max"]) != (now["min"], now["max"]):
            ranges = (f"{one['min']} to {one['max']}" for one in (was, now))
            yield Entry(at, "off", f"Autoscaler's range changed: {' pods → '.join(ranges)} pods")
        yield from self._activity(_active(was), _active(now), at)

    def _activity(self, was: Json | None, now: Json | None, at: str) -> Iterator[Entry]:
        """Yield a change of the ScalingActive condition, which is false without metrics."""
        if was is None or now is None or (was["status"] == "True") == (now["status"] == "True"):
            return
        if now["status"] == "True":
            after = "" if self._inactive is None else f" after {span(seconds(at) - self._inactive)}"
            self._inactive = None
            yield Entry(at, "good", f"Autoscaler can scale again{after}")
        else:
            self._inactive = seconds(at)
            why = ": ".join(filter(None, (plain(now["reason"], 60), plain(now["message"], REASON_LENGTH))))
            yield Entry(at, "warn", f"Autoscaler can't scale{': ' if why else ''}{why}")

    # Pods

    def _pods(self, before: list[Json], after: Json, at: str) -> Iterator[Entry]:
        database = (after["statefulset"] or {}).get("name")
        old = {pod["uid"]: pod for pod in before}
        new = {pod["uid"]: pod for pod in after["pods"]}
        for uid, pod in old.items():
            if uid not in new:
                yield self._removed(pod, at, marked=pod["app"] == database)
        for uid, pod in new.items():
            was = old.get(uid)
            if was is pod:
                continue
            marked = pod["app"] == database
            if was is None:
                yield self._created(pod, at)
                was = pod | {"phase": "Pending", "ready": False, "restarts": 0}
            yield from self._status(was, pod, at, marked)

    def _removed(self, pod: Json, at: str, *, marked: bool) -> Entry:
        now, uid, name = seconds(at), pod["uid"], pod["name"]
        self._unready.pop(uid, None)
        began = self._terminating.pop(uid, None)
        self._gone.pop(name, None)
        self._gone[name] = now
        if len(self._gone) > REMEMBERED_NAMES:
            del self._gone[next(iter(self._gone))]
        after = "" if began is None else f", {span(now - began)} after it began to terminate"
        unexpected = marked and pod["phase"] != "Terminating"
        return Entry(at, "off", f"{shorten(name)} gone{after}", _of(pod), _mark(pod, "gone") if unexpected else None)

    def _created(self, pod: Json, at: str) -> Entry:
        now = seconds(at)
        created = seconds(pod["created"]) if pod["created"] else now
        self._unready[pod["uid"]] = (now if now - created < STAMP_SECONDS else created, False)
        gone = self._gone.pop(pod["name"], None)
        if gone is None:
            return Entry(at, "busy", f"{shorten(pod['name'])} created", _of(pod))
        # Only a StatefulSet reuses a name. If one list showed both changes, the time between them is unknown.
        after = f", {span(now - gone)} after the old one was gone" if now > gone else ""
        return Entry(at, "busy", f"{shorten(pod['name'])} replaced by a new pod{after}", _of(pod))

    def _status(self, was: Json, pod: Json, at: str, marked: bool) -> Iterator[Entry]:
        now, uid, name = seconds(at), pod["uid"], shorten(pod["name"])

        def entry(tone: str, words: str, mark: str | None = None) -> Entry:
            return Entry(at, tone, f"{name} {words}", _of(pod), _mark(pod, mark) if marked and mark else None)

        if pod["restarts"] > was["restarts"]:
            yield entry(*_restarted(was, pod), "restarted")
        if pod["phase"] in ("Terminating", "Failed", "Succeeded"):
            self._unready.pop(uid, None)
            if pod["phase"] == was["phase"]:
                return
            if pod["phase"] == "Terminating":
                self._terminating[uid] = now
                yield entry("off", "terminating", "ends")
            elif pod["phase"] == "Failed":
                yield entry("bad", f"failed{_because(pod)}", "failed")
            else:
                yield entry("off", "finished")
        elif pod["ready"] and not was["ready"]:
            since, again = self._unready.pop(uid, (None, False))
            after = "" if since is None else f" after {span(now - since)}"
            yield entry("good", f"Ready{' again' if again else ''}{after}", "Ready")
        elif was["ready"] and not pod["ready"]:
            self._unready[uid] = (now, True)
            yield entry("warn", f"not ready{_because(pod)}", "not ready")

    # The Service and the sources

    def _endpoints(self, was: Json | None, now: Json | None, at: str) -> Iterator[Entry]:
        if was is None or now is None or bool(was["endpoints"]) == bool(now["endpoints"]):
            return
        service = f"Service {shorten(now['name'])}"
        if now["endpoints"]:
            after = "" if self._without_endpoints is None else f" after {span(seconds(at) - self._without_endpoints)}"
            self._without_endpoints = None
            yield Entry(at, "good", f"{service} has endpoints again{after}")
        else:
            self._without_endpoints = seconds(at)
            yield Entry(at, "bad", f"{service} has no endpoints: no pod answers")

    def _sources(self, sources: Json, at: str) -> Iterator[Entry]:
        """Yield the sources that stopped or resumed, several in one entry: they mostly share the cause.

        MongoDB is left out: its state has entries of its own.
        """
        known = {name: source for name, source in sources.items() if source["as_of"] and name != "mongo"}
        lost = {n: s for n, s in known.items() if s["state"] != "live" and n not in self._away}
        if lost and _any_settled(lost, at):
            self._away |= {name: seconds(source["since"]) for name, source in lost.items()}
            yield from _losses(lost)
        back = {name: known[name] for name in self._away if name in known and known[name]["state"] == "live"}
        if back and _any_settled(back, at):
            longest = max(seconds(source["since"]) - self._away.pop(name) for name, source in back.items())
            last = max(source["since"] for source in back.values())
            yield Entry(last, "good", f"Live again after {span(longest)}: {_names(back)}")


def _restarted(was: Json, pod: Json) -> tuple[str, str]:
    """Return the tone and the words. The reason is in the earlier state: the container runs again by now."""
    reason = was["reason"] or pod["reason"]
    times = "once" if pod["restarts"] == 1 else f"{pod['restarts']} times"
    why = f", after {plain(reason, 60)}" if reason else ""
    return "bad" if reason == "OOMKilled" else "warn", f"container restarted{why} ({times} so far)"


def _scaled(was: int, now: Json) -> tuple[str, str]:
    desired, unit, name = now["desired"], "%", "percent"
    if now["target_millicores"] is not None:
        unit, name = "m", "millicores"
    cpu, target = now[f"cpu_{name}"], now[f"target_{name}"]
    place = ", back at its min" if was > desired == now["min"] else ", its max" if desired == now["max"] else ""
    why = f": CPU {cpu} {unit} of a {target} {unit} target" if cpu is not None and target is not None else ""
    return "good" if was > desired else "busy", f"Autoscaler {was} → {desired}{place}{why}"


def _active(autoscaler: Json) -> Json | None:
    return next((one for one in autoscaler["conditions"] if one["type"] == "ScalingActive"), None)


def _replicas(before: Json, after: Json, at: str) -> Iterator[Entry]:
    """Yield manual scalings. Those of a Deployment that has or may have an autoscaler are reported with that."""
    scaler = after["autoscaler"] or after["sources"].get("horizontalpodautoscalers", {}).get("state") == "connecting"
    for key, kind in (("deployment", "Deployment"), ("statefulset", "StatefulSet")):
        was, now = before[key], after[key]
        if not was or not now or was["desired"] == now["desired"] or (key == "deployment" and scaler):
            continue
        step = f"{was['desired']} → {now['desired']}"
        about = {"kind": kind, "name": now["name"], "uid": ""}
        yield Entry(at, "busy", f"{kind} {shorten(now['name'])} {step}", about, step)


def _claims(before: list[Json], after: list[Json], at: str) -> Iterator[Entry]:
    old = {claim["uid"]: claim for claim in before}
    new = {claim["uid"]: claim for claim in after}

    def entry(tone: str, claim: Json, words: str, mark: str | None = None) -> Entry:
        about = {"kind": "PersistentVolumeClaim", "name": claim["name"], "uid": claim["uid"]}
        return Entry(at, tone, f"Volume claim {shorten(claim['name'])} {words}", about, mark)

    for uid, claim in old.items():
        if uid not in new:
            lost = ("deleted: the database lost the data on it", "claim gone") if claim["of_database"] else ("deleted",)
            yield entry("warn", claim, *lost)
    for uid, claim in new.items():
        was = old.get(uid)
        if was is None:
            yield entry("busy", claim, "created")
        elif was["phase"] != claim["phase"]:
            tone = {"Bound": "good", "Lost": "bad"}.get(claim["phase"], "warn")
            volume = f" to {shorten(claim['volume'])}" if claim["phase"] == "Bound" and claim["volume"] else ""
            words = f"{plain(claim['phase'], 30)}{volume}, was {plain(was['phase'], 30)}"
            yield entry(tone, claim, words, "claim Lost" if claim["phase"] == "Lost" else None)
        elif was["volume"] != claim["volume"] and was["volume"]:
            volumes = [shorten(volume) if volume else "none" for volume in (was["volume"], claim["volume"])]
            yield entry("warn", claim, f"has another volume: {' → '.join(volumes)}")


def _mongo(was: Json, now: Json, source: Json) -> Iterator[Entry]:
    """Yield a change of the database's state. Its times are the state's own, which are earlier than the publication."""
    if was["since"] == now["since"]:
        return
    lasted = span(seconds(now["since"]) - seconds(was["since"]))
    if now["state"] == "down":
        why = f": {plain(source['error'], REASON_LENGTH)}" if source.get("error") else ""
        yield Entry(now["since"], "bad", f"MongoDB does not answer{why}", None, "mongod down")
    elif was["state"] == "down":
        again = "again " if was["version"] else ""
        yield Entry(now["since"], "good", f"MongoDB answers {again}after {lasted}", None, "mongod up")
    else:
        yield Entry(now["since"], "warn", "MongoDB was briefly unavailable", None, "mongod blip")


def _losses(lost: dict[str, Json]) -> Iterator[Entry]:
    for state in ("stale", "forbidden"):
        these = {name: source for name, source in lost.items() if source["state"] == state}
        if not these:
            continue
        first = min(source["since"] for source in these.values())
        error = next((source["error"] for source in these.values() if source["error"]), None)
        why = f": {plain(error, REASON_LENGTH)}" if error else ""
        if state == "stale":
            yield Entry(first, "warn", f"No updates for {_names(these)}{why}")
        else:
            yield Entry(first, "bad", f"No longer allowed to read {_names(these)}{why}")


def _any_settled(sources: dict[str, Json], at: str) -> bool:
    return any(seconds(at) - seconds(source["since"]) >= SETTLED_SECONDS for source in sources.values())


def _listed(state: Json, kind: str) -> bool:
    source = state["sources"].get(kind)
    return bool(source and source["as_of"])


def _of(pod: Json) -> Json:
    return {"kind": "Pod", "name": pod["name"], "uid": pod["uid"]}


def _mark(pod: Json, words: str) -> str:
    return f"{shorten(pod['name'], MARK_LENGTH)} {words}"


def _because(pod: Json) -> str:
    return f": {plain(pod['reason'], 60)}" if pod["reason"] else ""


def _names(sources: dict[str, Any]) -> str:
    return listing([SOURCE_WORDS.get(name, name) for name in sources])
