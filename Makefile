# Everything a person or CI runs. `make help` lists it.
.PHONY: help setup demo story test unit integration check fix bench docs clean
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
UV := .venv/bin/uv
RUN := .venv/bin/python -m
GENERATED := docs.generate deploy.grafana deploy.kubernetes.rules

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

setup: .venv/ready ## make .venv with exactly what uv.lock says

.venv/ready: pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and none was found: install one, or give make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || { echo "the venv module is missing: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@test -x $(UV) || .venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv==0.13.9'
	UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --frozen --all-extras --inexact --quiet
	@touch $@

demo: setup ## run the whole thing and look at it (about half a minute)
	$(RUN) deploy.demo

story: setup ## from a refused login to the message somebody gets, and all eight alerts (about a minute)
	$(RUN) deploy.story

test: unit integration ## run every test

unit: setup ## run the tests that need no server (under a minute)
	$(RUN) pytest -n auto -m "not integration"

integration: setup ## run the tests over real servers, which they start
	$(RUN) pytest -m integration

check: setup ## all that CI runs: lint, types, imports, docs, every test with coverage
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	@for part in $(GENERATED); do $(RUN) $$part --check || exit 1; done
	$(RUN) pytest -n auto -m "not integration" --cov --cov-report=
	$(RUN) pytest -m integration --cov --cov-append --cov-report=term:skip-covered

fix: setup ## format, and mend what can be mended
	$(RUN) ruff check --fix --exit-zero .
	$(RUN) ruff format .

bench: setup ## measure against a floor, and the outputs beside what else there is, in one run
	$(RUN) benchmarks
	$(RUN) benchmarks.bulk
	$(RUN) benchmarks.kafka
	$(RUN) benchmarks.replay

docs: setup ## write what is generated: references, dashboards, rules for Kubernetes
	@for part in $(GENERATED); do $(RUN) $$part || exit 1; done

clean: ## remove what was made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache demo-data benchmarks/data
