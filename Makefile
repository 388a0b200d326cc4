# All commands for development and CI. `make help` lists them.
.PHONY: help setup native demo story test unit integration site check chaos secrets fix bench beside start soak load crash properties fuzz docs pictures clean
SHELL := /bin/sh
RUN := .venv/bin/python -m
GENERATED := docs.generate benchmarks.tables deploy.grafana deploy.kubernetes.rules

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

setup: .venv/ready ## create .venv with exactly the packages of uv.lock

.venv/ready: pyproject.toml uv.lock
	@PYTHON="$(PYTHON)" .ci/setup

native: setup ## compile the extension again, after a change in native/
	UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --all-extras --inexact --quiet --reinstall-package shipper-agent

demo: ## run the sample application with the agent, and search its log (about 15 seconds)
	@./demo

story: setup ## from a failed login to the alert in Slack, and all eight alerts (about a minute)
	$(RUN) deploy.story

test: ## run every test
	@./test

unit: ## run the tests that need no server (about a minute)
	@./test unit

integration: ## run the tests with real servers, which they start
	@./test integration

site: setup ## build the documentation into site/; warnings are errors
	$(RUN) sphinx --fail-on-warning --keep-going --quiet --fresh-env --builder html docs site

check: ## all CI checks and an audit: lint, types, imports, docs, bill of materials, all tests with coverage
	.ci/checks
	$(RUN) deploy.supply.audit
	$(RUN) pytest -n auto -m "not integration" --ignore=tests/integration --cov --cov-report=
	$(RUN) pytest -n 2 --dist loadfile -m integration --cov --cov-append --cov-report=term:skip-covered

chaos: setup ## inject faults into the agent by a seeded schedule: SEED=1, or ROUNDS=… KILLS=… FAULTS='kill, copytruncate' PLACE=kafka
	$(RUN) tests.chaos --seed "$(or $(SEED),1)" --rounds "$(or $(ROUNDS),1)" --kills "$(or $(KILLS),0)" \
		--faults "$(FAULTS)" --place "$(or $(PLACE),files)" --length "$(or $(LENGTH),24)" --beside "$(or $(BESIDE),1)"

secrets: setup ## plant 5,000 secrets of every kind in every place, also through the real agent, and look for changes of 100,000 harmless lines: LINES='FILE…' for more
	$(RUN) tests.hazards.redaction_check --secrets $(or $(SECRETS),5000) --seed "$(or $(SEED),1)" --lines $(LINES)
	SHIPPER_TEST_SECRETS=$(or $(SECRETS),5000) SHIPPER_TEST_SEED="$(or $(SEED),1)" .venv/bin/python -m pytest -q -x tests/integration/test_secrets.py

fix: setup ## format, and apply automatic fixes
	$(RUN) ruff check --fix --exit-zero .
	$(RUN) ruff format .
	.ci/rust --fix

bench: setup ## measure costs against a floor and other agents, in one run
	@for part in beside steps latency start idle growth bulk kafka replay; do $(RUN) benchmarks.$$part || exit 1; done
	$(RUN) benchmarks
	$(RUN) benchmarks.tables

beside: setup ## measure the mix and each kind beside agents on the PATH (ten minutes; DATA=folder for logs), and write tables
	$(RUN) benchmarks.beside --short $(if $(DATA),--data $(DATA))
	$(RUN) benchmarks.steps $(if $(DATA),--data $(DATA))
	$(RUN) benchmarks.tables

start: setup ## CPU of the start of each command, and memory of an agent at rest (two minutes)
	$(RUN) benchmarks.start

soak: setup ## sustained load for MINUTES (30): memory, descriptors, threads, state and lost or duplicate lines
	$(RUN) benchmarks.soak --minutes $(or $(MINUTES),30)

load: setup ## 10,000 files, 5 GB in one, a loud container with quiet ones, 100,000 rotations, 10,000 short-lived containers
	$(RUN) benchmarks.load

crash: setup ## kill -9 during 200,000 lines, ten times: shipper and other agents on the PATH
	$(RUN) benchmarks.crash

properties: setup ## run the property tests with TIMES (30) as many examples as the tests do
	SHIPPER_EXAMPLES="$(or $(TIMES),30)" $(RUN) pytest -n auto -m "not integration" --ignore=tests/integration --timeout 1800 \
		$$(git grep -l "^from hypothesis\|^from tests.examples" -- "tests/**/test_*.py")

fuzz: setup ## fuzz each parser for SECONDS (60), guided by coverage
	$(RUN) tests.fuzz --seconds $(or $(SECONDS),60) $(TARGET)

docs: setup ## regenerate references, dashboards and rules for Kubernetes
	@for part in $(GENERATED); do $(RUN) $$part || exit 1; done

pictures: setup ## regenerate the screenshots, from an agent under two minutes of traffic
	$(RUN) docs.pictures

clean: ## remove generated files
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache site demo-data benchmarks/data
