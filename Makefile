# The only task runner. `make` prints this help; every CI step is a target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

FUZZ_EXAMPLES ?= 40000

# Tests run in as many processes as there are processors; WORKERS=0 runs them in one, where a debugger works.
WORKERS ?= auto
WORKERS_LIMIT := 4
IN_PARALLEL := -n $(WORKERS) --maxprocesses $(WORKERS_LIMIT) --dist loadfile --no-loadscope-reorder

.PHONY: help setup run demo test test-long fuzz mutate lint format wire lock bench bench-policy bench-freshness clean

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | awk -F':.*  ## ' '{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}'

$(STAMP): requirements-dev.txt pyproject.toml
	@echo "== setting up $(VENV) (hash-checked packages, then this project)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP)  ## Create the environment (every other target does it when needed)

run: $(STAMP)  ## Start the service on the embedded database, at its fixed addresses
	@$(BIN)/authz serve

demo: $(STAMP)  ## Half a minute: refused, policy changed, allowed; real Envoy, S3 store and boto3
	@$(BIN)/python scripts/demo.py

test: $(STAMP)  ## Run every test: real Envoy, PostgreSQL and boto3 included
	@$(BIN)/python -m pytest -m "not long" $(IN_PARALLEL)

test-long: $(STAMP)  ## Run the soak and scale tests as well
	@$(BIN)/python -m pytest $(IN_PARALLEL)

fuzz: $(STAMP)  ## Search for a policy that two evaluators disagree on: a million cases, a night; failures are kept, shrunk
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/properties --timeout=0

mutate: $(STAMP)  ## Change the engine in one place at a time and see whether a test notices: an hour; MUTATE=paths for less
	@nice $(BIN)/python scripts/mutate.py $(MUTATE)

lint: $(STAMP)  ## Check format, style, types, the import contract, protos and generated code
	@echo "== ruff";         $(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "== mypy";         $(BIN)/mypy --no-error-summary
	@echo "== import-linter"; $(BIN)/lint-imports --no-cache > $(VENV)/.imports.log 2>&1 || { cat $(VENV)/.imports.log; exit 1; }
	@echo "== protos";       $(BIN)/buf format -d --exit-code && $(BIN)/python scripts/generate_wire.py --check
	@echo "lint: all clean"

format: $(STAMP)  ## Format the code and the protos
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet . && $(BIN)/buf format -w

wire: $(STAMP)  ## Generate authz/wire from protos/
	@$(BIN)/python scripts/generate_wire.py

lock: $(STAMP)  ## Resolve the dependencies anew and write the hash-locked requirements files
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header --all-extras pyproject.toml -o requirements-dev.txt

bench: $(STAMP)  ## Measure: decide, the whole check, over gRPC, memory
	@$(BIN)/python -m bench

bench-policy: $(STAMP)  ## Measure: deciding as statements, policies and users grow, beside other engines
	@$(BIN)/python -m bench.policy

bench-freshness: $(STAMP)  ## Measure: how soon a second replica enforces a change (PostgreSQL)
	@$(BIN)/python -m bench.freshness

clean:  ## Remove the environment and caches (data in var/ stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
