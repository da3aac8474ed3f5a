# Everything a person types. `make run` and `make test` need nothing but Debian or Ubuntu with Python 3.11+.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MAP_SOURCES := $(shell find dashboard/map -type f 2>/dev/null) tsconfig.json

.PHONY: run test faults check bench backup restore soak format setup setup-dev screenshots clean

run: setup
	@exec $(BIN)/python app.py

test: setup-dev
	$(BIN)/python -m pytest $(ARGS)

# The fault tests at full length; FAULTS_ROUNDS=10 for an hour, FAULTS_SEED=… to have a plan again, ARGS as for `test`.
faults: export FAULTS_ROUNDS ?= 1
faults: setup-dev
	$(BIN)/python -m pytest tests/faults --timeout=0 $(ARGS)

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	.setup/npm run --silent check

bench: setup-dev .setup/bench-tools
	$(BIN)/python -m bench

# A wall at many times the pace of life; ends with an error if its memory grows. Writes docs/images/soak.csv and soak.svg.
soak: SOAK_MINUTES ?= 240
soak: setup-dev
	$(BIN)/python -m soak --minutes $(SOAK_MINUTES) $(ARGS)

# make backup FILE=/mnt/usb/monday.backup, while everything runs; make restore FILE=… into an empty DATA_DIR.
backup restore: setup
	@$(BIN)/python -m ingest $@ $(or $(FILE),$(error say where: make $@ FILE=...))

screenshots: setup-dev
	$(BIN)/python -m docs.screenshots

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What the product needs: Python packages, the map's bundle.
setup: .setup/python .setup/map

# What tests and checks need on top: test packages, Chromium and fonts, Mosquitto.
setup-dev: .setup/python-dev .setup/map .setup/browser .setup/broker

.setup/python: requirements.txt
	@mkdir -p .setup
	@setup/check-python $(PYTHON)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.setup/python-dev: requirements-dev.txt .setup/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# `.setup/npm` is the machine's npm, or the one in PyPI's Node wheel.
.setup/npm: setup/find-npm .setup/python
	setup/find-npm $(BIN)/python $@

.setup/node_modules: package.json package-lock.json .setup/npm
	.setup/npm ci --silent --no-audit --no-fund
	@touch $@

.setup/map: .setup/node_modules $(MAP_SOURCES)
	.setup/npm run --silent build
	@touch $@

.setup/browser: setup/install-browser
	setup/install-browser
	@touch $@

.setup/broker: setup/install-broker
	setup/install-broker
	@touch $@

.setup/bench-tools: setup/install-bench-tools requirements-bench.txt .setup/python
	setup/install-bench-tools
	@touch $@

clean:
	rm -rf .setup $(VENV) node_modules assets/build
