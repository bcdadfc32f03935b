# The project's commands. Each target installs what it needs; `make help` lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
BEGAN := $(shell date +%s)

PYTHON := .venv/bin/python
DEPLOY := $(PYTHON) -m tools.deploy --since $(BEGAN)

.PHONY: up
up: export PREFLIGHT := tools.deploy.preflight
up: .venv/tools ## deploy to a cluster, from a fresh machine on, and print the addresses; NODES=3 for several nodes
	@$(DEPLOY) up

.PHONY: test
test: .venv/tools .venv/tests ## run all tests: lint, types, unit, real MongoDB, real cluster, real browser
	@tests/run

.PHONY: soak
soak: .venv/tests .venv/checkov/bin/checkov ## run the soak tests: faults that last minutes, each border a hundred thousand times, the memory
	@tests/run tests/borders --hypothesis-profile soak
	@tests/run -m soak

.PHONY: hosts
hosts: .venv/tests ## run the README on stock Debian machines that QEMU emulates, into docs/hosts.md; HOSTS="debian-13 …"
	@$(PYTHON) -m tests.hosts $(HOSTS)

.PHONY: clusters
clusters: .venv/tests ## deploy to an embedded cluster as to somebody else's, and run the by-hand steps there
	@.venv/bin/pytest tests/clusters -m clusters

.PHONY: gates
gates: .venv/tests .venv/checkov/bin/checkov ## judge the manifests by kubernetes-validate, checkov and kube-score
	@.venv/bin/pytest tests/k8s -m "kubectl or soak"

.PHONY: audit
audit: .venv/tests ## ask for known vulnerabilities of all pinned packages, and say which could not be asked about
	@$(PYTHON) -m tools.vulnerabilities

.PHONY: trust
trust: .venv/tests ## count wrong verdicts on healthy and broken deployments, into docs/trust.md
	@$(PYTHON) -m tests.trust

.PHONY: check
check: .venv/tests tests/js/node_modules ## run lint, types and unit tests
	@tests/check

.PHONY: local
local: .venv/local ## run the service alone on 127.0.0.1:5000, without Kubernetes
	@$(PYTHON) -m tools.local

.PHONY: mock
mock: .venv/dashboard ## run the dashboard on a simulated cluster, for work on the page
	@DASHBOARD_SOURCE=mock $(PYTHON) -m dashboard

.PHONY: bench
bench: .venv/tests $(if $(COMPARE),,up) ## run the benchmarks, into bench/RESULTS.md; COMPARE="--rows post …" prints these alone
	@$(PYTHON) -m $(if $(COMPARE),bench.comparison $(COMPARE),bench)

.PHONY: prove
prove: .venv/base ## run all demos on the running deployment, one verdict line each
	@tools/deploy/prove

.PHONY: evidence
evidence: FILES = $(or $(wildcard reports/*.evidence.jsonl.gz),$(error reports/ has no evidence file: run make prove, or name files with FILES=))
evidence: .venv/dashboard ## compute the verdicts of `make prove` again from their evidence files; FILES=… names others
	@$(PYTHON) -m dashboard.check $(FILES)

.PHONY: images
images: .venv/tools ## build both images; REGISTRY=host/path PUSH=1 tags and pushes them
	@$(DEPLOY) images

.PHONY: secrets
secrets: .venv/base ## make the missing secrets that the manifests read
	@$(DEPLOY) secrets

.PHONY: login
login: .venv/base ## print the dashboard's login link again
	@$(DEPLOY) login

.PHONY: rotate
rotate: .venv/tools ## replace every password, key and token while the deployment serves
	@$(DEPLOY) rotate

.PHONY: down
down: .venv/base ## stop what `make up` started, keep its data
	@$(DEPLOY) down

.PHONY: clean
clean: .venv/base ## stop it, and delete data, secrets, images and caches
	@$(DEPLOY) clean
	@rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis .import_linter_cache .coverage* tests/js/node_modules
	@find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: vendor
vendor: ## fetch the page's libraries from npm, at their pinned versions
	@static/vendor/vendor.sh

.PHONY: requirements
requirements: PIN = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make requirements"
requirements: .venv/tests ## pin the newest versions of all Python packages, with their hashes
	@$(PIN) --group test --group sbom --group go --output-file requirements.txt
	@$(PIN) --group checkov --output-file tests/k8s/requirements-checkov.txt
	@$(PIN) --group peers --output-file bench/requirements-peers.txt

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What checks the page's JavaScript, where npm is installed.
tests/js/node_modules: tests/js/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix tests/js --no-audit --no-fund --silent && touch $@; fi

# One install for each use, so that `make up` does not wait for test tools.
.venv/base: PACKAGES = cluster
.venv/tools: PACKAGES = cluster local
.venv/local: PACKAGES = service local
.venv/dashboard: PACKAGES = dashboard
.venv/tests: PACKAGES = test
.venv/base .venv/tools .venv/local .venv/dashboard .venv/tests: requirements.txt pyproject.toml tools/deploy/venv
	@tools/deploy/venv $(BEGAN) $(PACKAGES)
	@touch $@

# An environment of its own, because it pins older versions of packages that the project uses.
.venv/checkov/bin/checkov: tests/k8s/requirements-checkov.txt | .venv/tests
	@python3 -m venv --without-pip --clear .venv/checkov
	@$(PYTHON) -m pip --python .venv/checkov install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement $<
	@touch $@
