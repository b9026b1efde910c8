# SPDX-License-Identifier: Apache-2.0
#
# Only python3 (3.10 or newer) and make are needed: everything else is installed into .venv, at the versions that
# constraints.txt pins, so that a target does the same on every machine.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Extra arguments: make test ARGS="-k queue", make demo ARGS="--plain".
ARGS ?=
# make demo KEEP=1 leaves the UI up; KEEP=0 and KEEP= do not.
KEEP ?=

.PHONY: help demo test test-fast check bench chaos tccli constraints clean

help: ## Say what the targets do.
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'

demo: $(READY) ## See it work: a local cloud, a real Airflow, four DAG runs. KEEP=1 leaves the UI up.
	@$(BIN)/python -m devtools.demo $(if $(filter-out 0 no false,$(KEEP)),--keep) $(ARGS)

# Two processes: one for the tests on real Airflow, which mostly wait, one for the others. ARGS="-n 0 -s" shows output.
test: $(READY) ## Run all tests, those on real Airflow and PostgreSQL included.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-fast: $(READY) ## Run the tests that start no Airflow and are not slow: under two minutes.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not integration and not slow' $(ARGS)

check: $(READY) ## Lint, format and types; changes nothing.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy airflow_batch_events devtools tests
	@cd emulator && $(CURDIR)/$(BIN)/mypy tencent_batch_emulator tests

bench: $(READY) ## Measure; prints one table.
	@$(BIN)/python -m devtools.benchmarks $(ARGS)

chaos: $(READY) ## The long form: a thousand jobs in each row of the chaos suite, 20,000 strange messages for a real Airflow.
	@CHAOS=long $(BIN)/python -m pytest -s tests/chaos tests/integration/test_strange_messages.py $(ARGS)

tccli: $(READY) ## Try the vendor's command line against the emulator (350 MB, in .test-output).
	@TCCLI=1 $(BIN)/python -m pytest emulator/tests/vendor/test_tccli.py $(ARGS)

# One virtual environment for everything, made again when what it is made from changes.
$(READY): pyproject.toml emulator/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	    echo "Python 3.10 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	    echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): a minute the first time."
	@$(PYTHON) -m venv $(VENV) || { \
	    echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt uv \
	    || echo "uv cannot be had here; pip installs as well, only slower." >&2
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ./emulator --editable '.[dev]'; } \
	    || $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ./emulator --editable '.[dev]'
	@touch $@

constraints: $(READY) ## Pin the newest versions of everything in constraints.txt.
	@{ echo "# What 'make' installs. Written by 'make constraints'."; \
	   echo uv | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --extra dev \
	       --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove the virtual environment and everything that tests and demos left.
	rm -rf $(VENV) .demo .test-output build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info constraints.new
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
