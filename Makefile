# Everything here makes its own set-up: a venv in .venv with the locked dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Many tests wait for other processes, so there are more workers than processors.
WORKERS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
# Where PYTEST_ARGS names a part, one of the two passes may find nothing to do, which is pytest's status 5.
NONE := [ $$? -eq 5 ]

.PHONY: help setup demo test lint format bench lock clean

help: ## what can be made here
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile

setup: $(VENV)/.ready ## the venv, with exactly the locked dependencies

$(VENV)/.ready: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("zonemint needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## the whole flow with a real certbot, in a temporary folder
	@$(BIN)/zonemint demo

test: setup ## every test whose programs are on this machine, on several workers, and then those that need it alone
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not alone" $(PYTEST_ARGS) || $(NONE)
	$(BIN)/python -m pytest -m alone $(PYTEST_ARGS) || $(NONE)

lint: setup ## format, lint, types, the import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## side by side with Debian's pebble and knot, where they are installed
	$(BIN)/python -m bench

lock: setup ## resolve the dependencies anew
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	  --no-emit-trusted-host --no-header --output-file requirements/runtime.lock pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	  --no-emit-trusted-host --no-header --extra dev --extra demo --extra backup --output-file requirements/dev.lock pyproject.toml

clean: ## remove what was made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
