# make demo | make demo ARGS=--once | make test | make check | make chaos | make bench | make lock | make clean
# PYTHON= chooses another Python (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes --only-binary :all:
CODE := bot handlers sandbox tests
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
UPGRADE ?=
# Debian keeps venv in a package of its own; root can bring it.
APT_VENV := { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null && \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; }

.PHONY: demo test check parts chaos bench lock clean
.DEFAULT_GOAL := test

$(STAMP): requirements/dev.lock requirements/parts.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(APT_VENV) || { echo "This Python cannot make virtual environments: on Debian or Ubuntu, apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned packages into $(VENV)"
	@$(PIP_INSTALL) -r requirements/dev.lock
	@$(PIP_INSTALL) --no-deps -r requirements/parts.lock
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $(STAMP)

demo: $(STAMP) parts
	@$(BIN)/python -m sandbox.demo $(ARGS)

parts: $(STAMP)
	@$(BIN)/python -m sandbox.parts

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-cache

test: $(STAMP) parts check
	@$(BIN)/python -m pytest -n 4 --dist loadgroup $(ARGS)

# The tests of crashes and moments with more of everything than `make test` has time for.
chaos: $(STAMP) parts
	@CHAOS=full $(BIN)/python -m pytest -n 2 --dist loadgroup --timeout 900 -rA tests/chaos tests/handlers/test_consent.py tests/handlers/test_run_clicks.py $(ARGS)

bench: $(STAMP) parts
	@$(BIN)/python -m tests.bench $(ARGS)

# Pins again what pyproject.toml asks for: `make lock`, or `make lock UPGRADE=--upgrade` for newer versions.
lock: $(STAMP)
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements/bot.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev -c requirements/bot.lock -o requirements/dev.lock
	$(COMPILE) $(UPGRADE) --no-deps --group parts -o requirements/parts.lock
	$(COMPILE) $(UPGRADE) requirements/build.in -c requirements/dev.lock -o requirements/build.lock
	$(COMPILE) $(UPGRADE) requirements/npm.in -o requirements/npm.lock

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
