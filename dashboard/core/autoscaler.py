"""What the HorizontalPodAutoscaler makes of the figures, and why: its controller's own arithmetic, and in words."""

from collections.abc import Iterable
from typing import Any

from dashboard.core.objects import Autoscaler, Pod, PodMetrics

Json = dict[str, Any]


class Reckoning:
    """Remembers what the autoscaler would have recommended, as its controller does for the stabilization windows."""

    def reckon(
        self, autoscaler: Autoscaler, pods: Iterable[Pod], samples: dict[str, PodMetrics], at: float
    ) -> Json | None:
        """How it stands at `at` (seconds since 1970)."""
        return None
