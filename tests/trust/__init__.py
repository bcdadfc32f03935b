"""How far the verdicts can be trusted: both demos on many healthy and many broken deployments, counted.

    python -m tests.trust [--only PATTERN] [--demo autoscale|persistence] [--kind healthy|broken] [--repeat 2]

A healthy deployment must PASS and must never FAIL. A broken one must never PASS, and the reason must name the fault.
Each run appends a line to docs/trust.jsonl, and docs/trust.md is written from these lines. An interrupted measurement
continues where it stopped.

`cases` lists the states, which `healthy` and `faults` bring about on a `site`, the deployment. `runner` measures them,
`results` keeps the runs, `report` writes docs/trust.md.
"""
