# What a person runs. Each target installs what it needs; `make help` lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
BEGAN := $(shell date +%s)

PYTHON := .venv/bin/python
DEPLOY := $(PYTHON) -m deploy --since $(BEGAN)

.PHONY: demo
demo: .venv/tools ## from a fresh machine to a running deployment, with its addresses
	@$(DEPLOY) demo

.PHONY: test
test: .venv/tests ## everything: lint, types, unit, real MongoDB, real cluster, real browser
	@tests/run

.PHONY: check
check: .venv/tests ## lint, types, unit tests: under 30 s
	@tests/check

.PHONY: local
local: .venv/tools ## the service alone on 127.0.0.1:5000, without Kubernetes
	@$(PYTHON) -m local

.PHONY: mock
mock: .venv/tests ## the dashboard on a seeded fake cluster, for work on the page
	@DASHBOARD_SOURCE=fake $(PYTHON) -m dashboard

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
down: .venv/tools ## stop what `make demo` started; its data stay
	@$(DEPLOY) down

.PHONY: clean
clean: .venv/tools ## down, and delete data, secrets, images and caches
	@$(DEPLOY) clean
	@rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: vendor
vendor: ## fetch the page's libraries from npm again, at their exact versions
	@static/vendor/vendor.sh

.PHONY: requirements
requirements: ## pin the newest versions of everything
	@deploy/pin

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# Two installs, so that a demo waits for no test tool.
.venv/tools: requirements.txt pyproject.toml deploy/venv
	@deploy/venv $(BEGAN) cluster local
	@touch $@

.venv/tests: .venv/tools
	@deploy/venv $(BEGAN) test
	@touch $@
