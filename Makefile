# Everything a person types. `make run` and `make test` need nothing but Debian or Ubuntu with Python 3.11+.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MAP_SOURCES := $(shell find dashboard/map -type f 2>/dev/null) tsconfig.json

.PHONY: run test check bench format setup setup-dev screenshots clean

run: setup
	@exec $(BIN)/python app.py

test: setup-dev
	$(BIN)/python -m pytest $(ARGS)

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	.setup/npm run --silent check

bench: setup-dev .setup/bench-tools
	$(BIN)/python -m bench

screenshots: setup-dev
	$(BIN)/python -m docs.screenshots

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What the product needs: Python packages, the map's bundle.
setup: .setup/python .setup/map

# What tests and checks need on top: test packages, Chromium and fonts.
setup-dev: .setup/python-dev .setup/map .setup/browser

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

.setup/bench-tools: setup/install-bench-tools
	setup/install-bench-tools
	@touch $@

clean:
	rm -rf .setup $(VENV) node_modules assets/build
