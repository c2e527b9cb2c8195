# Aliran: every job of this repository. `make` lists them.
#
# The first target that needs it makes .venv (with uv where it is installed, else python3 -m venv
# and pip) and installs what it needs; a stamp file lets the next run start at once.
# PYTHON=python3.13 chooses the Python that .venv is made with.

PYTHON ?=
BIN := .venv/bin
SETUP := tools/setup_env.py
PACKAGES := core protocol serdes storage broker clients streams schema_registry connectors cli testing
CODE := $(PACKAGES) tests examples docs benchmarks tools

# Tests that wait for servers and for killed workers more than they work.
SERVER_TESTS := tests/connectors/builtin tests/connectors/distributed tests/connectors/runtime

# How alike two pieces may be, in lines, before `make check` complains.
SIMILAR_LINES := 10

.DEFAULT_GOAL := help
N ?= 20000
SEED ?= 1

.PHONY: help setup test test-connectors oracle check lint types floors duplicates generated format bench bench-registry bench-connect demo dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: .venv/.installed-test .venv/.installed-check ## make .venv with all that tests and checks need

.venv/.installed-run: pyproject.toml constraints.txt $(SETUP) tools/find-python
	@"$$(tools/find-python $(PYTHON))" $(SETUP) run

.venv/.installed-%: pyproject.toml constraints.txt $(SETUP) tools/find-python
	@"$$(tools/find-python $(PYTHON))" $(SETUP) $*

demo: .venv/.installed-run ## trending hashtags of 300,000 replayed tweets through the embedded broker
	@$(BIN)/aliran demo trending $(ARGS)

test: .venv/.installed-test ## run the tests but those below (ARGS="-k name" for some of them)
	@$(BIN)/python -m pytest -n auto --dist loadgroup -q $(addprefix --ignore=,$(SERVER_TESTS)) $(ARGS)

test-connectors: .venv/.installed-test ## connectors against PostgreSQL, MariaDB, Redis, … and groups of workers (tools/install_servers.sh)
	@$(BIN)/python -m pytest -n auto --dist loadgroup -q $(SERVER_TESTS) $(ARGS)

oracle: .venv/.installed-test ## random topologies through Kafka's JVM and through Aliran (N=20000 SEED=1; Java, Maven)
	@$(BIN)/python -m tests.oracle -n $(N) --seed $(SEED) $(ARGS)

check: lint types floors duplicates generated ## formatting, lint, types, floors, duplicated code (-k shows all findings)

lint: .venv/.installed-check
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: .venv/.installed-test .venv/.installed-check
	$(BIN)/mypy src tests examples docs benchmarks tools
	$(BIN)/python tools/verify_types.py
	$(BIN)/python -m tests.docs.guide build/guide
	$(BIN)/mypy build/guide

floors: .venv/.installed-check
	$(BIN)/lint-imports

duplicates: .venv/.installed-check
	$(BIN)/pylint --disable=all --enable=duplicate-code --min-similarity-lines=$(SIMILAR_LINES) \
	  --ignore-paths='.*protocol/messages/.*' --score=n -j 0 $(PACKAGES) examples benchmarks tools

generated: .venv/.installed-check
	$(BIN)/python -m aliran.protocol.generate --check

format: .venv/.installed-check ## let ruff format and mend what it can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

bench: .venv/.installed-test ## speed: the hashtag job, each kind of operator, the broker; writes build/bench.json
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-registry: .venv/.installed-test ## speed of the schema registry; adds to build/bench.json
	@$(BIN)/python benchmarks/registry.py $(ARGS)

bench-connect: .venv/.installed-test ## speed of connectors, beside Kafka's worker where Java and Maven are; adds to build/bench.json
	@$(BIN)/python benchmarks/connect.py $(ARGS)

dist: .venv/.installed-test ## sdist and wheel into dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

clean: ## remove .venv and everything built
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
