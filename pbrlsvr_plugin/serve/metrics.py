"""What Prometheus is told: requests, samples, scores, what waits, and what the models do."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from pbrlsvr_plugin.serve.door import Door

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
_SCORES = tuple(step / 10 for step in range(11))
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one server. Paths are those of routes, so that a stranger cannot make new series."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self._requests = Counter("pbrlsvr_requests", "Answers, by route and status.", ["path", "status"], registry=here)
        self._seconds = Histogram(
            "pbrlsvr_request_seconds", "From a request's head to its answer.", ["path"], buckets=_SECONDS, registry=here
        )
        self._scores = Histogram("pbrlsvr_score", "Scores that were given.", buckets=_SCORES, registry=here)
        self.turned_away = Counter("pbrlsvr_turned_away", "Requests that got 429 as too much waited.", registry=here)
        self.left = Counter("pbrlsvr_clients_left", "Requests whose client left before the answer.", registry=here)
        ProcessCollector(registry=here)

    def watch(self, door: "Door") -> None:
        """Shows what is in flight, and the scorers of the reward's models."""
        for name, text, value in (
            ("pbrlsvr_requests_in_flight", "Requests without an answer.", lambda: door.requests),
            ("pbrlsvr_samples_waiting", "Samples and texts without an answer.", lambda: door.waiting),
            ("pbrlsvr_ready", "1 where the models are loaded.", lambda: float(not door.why_not_ready)),
            ("pbrlsvr_draining", "1 after SIGTERM.", lambda: float(door.draining)),
        ):
            Gauge(name, text, registry=self.registry).set_function(value)
        self.registry.register(_Scorers())

    def answered(self, scope: Any, status: int, seconds: float) -> None:
        """A request was answered; status 0 is one whose client had left."""
        route = scope.get("route")
        path = getattr(route, "path", "other")
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def scored(self, scores: Iterable[float]) -> None:
        """Scores were given."""
        for score in scores:
            self._scores.observe(score)

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self.registry)


class _Scorers:
    """`pbrlsvr.serving.metrics` of each scorer of this process."""

    def collect(self) -> Iterator[Metric]:
        from pbrlsvr.serving.scorer import running

        families: dict[str, GaugeMetricFamily] = {}
        for scorer in running():
            for replica, metrics in enumerate(scorer.describe()):
                for name, value in metrics.items():
                    if not isinstance(value, int | float):
                        continue
                    family = families.setdefault(
                        name,
                        GaugeMetricFamily(
                            f"pbrlsvr_scorer_{name}", "See docs/serving.md.", labels=["kind", "model", "replica"]
                        ),
                    )
                    kind = type(scorer.options).__name__
                    family.add_metric([kind, scorer.options.model, str(replica)], float(value))
        yield from families.values()
