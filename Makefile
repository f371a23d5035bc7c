# Everything that is typed in this repository. Needs Python 3.11 or newer with venv, make and git;
# all else comes into .venv, from locked packages with hashes.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo run test test-all soak acceptance-tryton check bench lock clean

# the first of these that is new enough; or say which one: make PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKED := requirements/dev.txt
# a pytest process a core and one more, for many tests wait; ARGS="-k guard -x" passes on what else
# pytest should know
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)
ARGS ?=
# what `make test` leaves to `make test-all`
CHOSEN = -m "not thorough"

help:  ## what can be typed
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-17s %s\n", $$1, $$2 }'

install: $(READY)  ## .venv with stocksync and everything that its tests need

$(READY): $(LOCKED) pyproject.toml requirements/install
	@test -n "$(PYTHON)" || { echo "stocksync needs Python 3.11 or newer, and none is on PATH:" \
		"install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || { echo \
		"$(PYTHON) cannot make a virtual environment: install its venv module" \
		"(on Debian and Ubuntu the package python3-venv)" >&2; exit 1; }
	@sh requirements/install $(BIN)/python $(LOCKED)
	@touch $@

demo: install  ## the whole service on sample data against a local Omnitron; ends by itself
	@$(BIN)/stocksync demo

run: install  ## the service with your stocksync.toml, broker included
	@$(BIN)/stocksync run

test: install  ## the suite that every change must pass (minutes)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(CHOSEN) $(ARGS)

test-all: CHOSEN = --hypothesis-profile=thorough
test-all: check test  ## that and every long proof, with a longer search for odd inputs

soak: install  ## random faults on the real service, on both databases (ARGS="--minutes 10 --seed 7")
	@$(BIN)/python -m tests.soak $(ARGS)

acceptance-tryton: install  ## follow a real ERP, Tryton, through hundreds of its own transactions (minutes)
	@test -x var/tryton/bin/python || { $(PYTHON) -m venv var/tryton && var/tryton/bin/pip install -q \
		trytond trytond_stock proteus 'psycopg[binary]' psycopg_pool; }
	@$(BIN)/python -m pytest tests/acceptance/tryton/follow_tryton.py $(ARGS)

check: install  ## linters, types, layers, dependencies, addresses
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/python .ci/addresses.py

bench: install  ## measurements of the hot paths (minutes)
	@$(BIN)/python -m benchmarks $(ARGS)

lock: install  ## renew the locked versions after a change of pyproject.toml (UPGRADE=1: take newer ones)
	@sh requirements/lock $(BIN)/python $(if $(UPGRADE),--upgrade)

clean:  ## forget .venv and caches; never touches var/ or a ledger
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
