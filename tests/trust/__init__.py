"""How far the verdicts can be trusted: both demos in many healthy and many broken deployments, counted.

    python -m tests.trust [--only PATTERN] [--demo autoscale|persistence] [--kind healthy|broken] [--repeat 2]

A healthy deployment must PASS and must never FAIL; a broken one must never PASS, and the reason must name what is
broken. Results are appended to docs/trust.jsonl, one line a run, and docs/trust.md is written from them: an
interrupted measurement goes on where it stopped.
"""
