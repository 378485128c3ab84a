# `make demo` and `make test` are all a new machine needs; every target makes .venv itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= demo-project

.PHONY: help install demo test soak check fix bench bench-serve bench-auth sbom release clean

help:
	@echo "make demo    create the demo project, run it, show a key of each role, and serve it"
	@echo "make test    the whole test suite"
	@echo "make soak    the locality proof against 50,000 random models, builds against 200 random histories, the API against 5,000 requests, deploys under 50,000"
	@echo "make check   formatting, lint, types, import order, what is known to be unsafe"
	@echo "make sbom    the list of all that headrace runs with, as CycloneDX, in dist/"
	@echo "make release check, test, build the wheel twice and compare, and list what it runs with"
	@echo "make fix     format and repair what can be repaired"
	@echo "make bench   the figures of docs/benchmarks.md on building"
	@echo "make bench-serve   those on serving, beside other servers of the same rows"
	@echo "make bench-auth    those on knowing who asks, in a few seconds"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[all]" --group dev
	@touch $(STAMP)

demo: $(STAMP)
	@rm -rf $(DEMO)
	$(BIN)/headrace new $(DEMO) --demo
	cd $(DEMO) && ../$(BIN)/headrace run
	cd $(DEMO) && PATH="$(CURDIR)/$(BIN):$$PATH" sh accounts.sh
	cd $(DEMO) && ../$(BIN)/headrace serve

test: $(STAMP)
	$(BIN)/python -m pytest -n auto $(TESTS)

soak: $(STAMP)
	HEADRACE_SOAK=50000 $(BIN)/python -m pytest -n 0 -s tests/pipeline/compile/test_locality_property.py
	HEADRACE_SOAK=200 $(BIN)/python -m pytest -n auto tests/pipeline/test_incremental_property.py
	HEADRACE_SOAK=1 $(BIN)/python -m pytest -n 0 -s tests/serve/server/test_deploys.py tests/serve/server/test_overload.py
	HEADRACE_SOAK=5000 $(BIN)/python -m pytest -n 0 tests/acceptance/test_bad_input.py

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive src --configfile pyproject.toml

sbom: $(STAMP)
	@mkdir -p dist
	$(BIN)/python -m release.sbom dist/headrace.cdx.json

release: check test sbom
	$(BIN)/python -m release.wheel dist

fix: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

bench-serve: $(STAMP)
	$(BIN)/python -m benchmarks.serving $(BENCH)

bench-auth: $(STAMP)
	$(BIN)/python -m benchmarks.auth $(BENCH)

clean:
	rm -rf $(VENV) $(DEMO) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
