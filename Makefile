# What a person runs. Each target installs what it needs; `make help` lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
BEGAN := $(shell date +%s)

PYTHON := .venv/bin/python
DEPLOY := $(PYTHON) -m tools.deploy --since $(BEGAN)

.PHONY: up
up: .venv/tools ## from a fresh machine to a running deployment, with its addresses
	@$(DEPLOY) up

.PHONY: test
test: .venv/tools .venv/tests ## everything: lint, types, unit, real MongoDB, real cluster, real browser
	@tests/run

.PHONY: soak
soak: .venv/tests ## faults that last a minute, and how soon the page is right again after each
	@tests/run -m soak

.PHONY: trust
trust: .venv/tests ## both demos on many healthy and many broken deployments, counted in docs/trust.md
	@$(PYTHON) -m tests.trust

.PHONY: check
check: .venv/tests tests/js/node_modules ## lint, types, unit tests
	@tests/check

.PHONY: local
local: .venv/local ## the service alone on 127.0.0.1:5000, without Kubernetes
	@$(PYTHON) -m tools.local

.PHONY: mock
mock: .venv/mock ## the dashboard on a seeded mock cluster, for work on the page
	@DASHBOARD_SOURCE=mock $(PYTHON) -m dashboard

.PHONY: bench
bench: .venv/tests up ## measure, each figure beside a peer, into bench/RESULTS.md
	@$(PYTHON) -m bench

.PHONY: prove
prove: .venv/tools ## prove both claims on the running deployment, one verdict line each
	@tools/deploy/prove

.PHONY: images
images: .venv/tools ## build both images; REGISTRY=host/path PUSH=1 tags and pushes them
	@$(DEPLOY) images

.PHONY: secrets
secrets: .venv/tools ## make the secrets that the manifests read, once
	@$(DEPLOY) secrets

.PHONY: login
login: .venv/tools ## print the dashboard's login link again
	@$(DEPLOY) login

.PHONY: down
down: .venv/tools ## stop what `make up` started; its data stay
	@$(DEPLOY) down

.PHONY: clean
clean: .venv/tools ## down, and delete data, secrets, images and caches
	@$(DEPLOY) clean
	@rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis .import_linter_cache

.PHONY: vendor
vendor: ## fetch the page's libraries from npm again, at their exact versions
	@static/vendor/vendor.sh

.PHONY: requirements
requirements: ## pin the newest versions of everything
	@tools/deploy/pin

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What checks the page's JavaScript, where npm is installed.
tests/js/node_modules: tests/js/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix tests/js --no-audit --no-fund --silent && touch $@; fi

# An install for each use, so that `make up` waits for no test tool.
.venv/tools: PACKAGES = cluster local
.venv/local: PACKAGES = service local
.venv/mock: PACKAGES = dashboard
.venv/tests: PACKAGES = test
.venv/tools .venv/local .venv/mock .venv/tests: requirements.txt pyproject.toml tools/deploy/venv
	@tools/deploy/venv $(BEGAN) $(PACKAGES)
	@touch $@
