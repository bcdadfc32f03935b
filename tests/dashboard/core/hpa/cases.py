"""The recorded decisions of Kubernetes' own HPA controller."""

import json
from typing import Any

from tests.dashboard.stubs import ROOT

NOW = 1_800_000_000.0
CASES: dict[str, Any] = json.loads((ROOT / "tests/cases/autoscaler.json").read_text())
