"""The dashboard: watches a deployment, shows it live, and proves claims about it. `app.create_app` joins its parts.

Nothing is imported here: `python -m dashboard.prove` runs in any CI that has a Python, and imports this package first.
"""
