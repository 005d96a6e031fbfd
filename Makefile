# make demo | make demo ARGS=--once | make test | make check | make coverage | make chaos | make mutation | make bench | make profile
# make words | make lifecycles | make lock | make clean | make audit | make sbom | make docs | make image
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

.PHONY: demo test check parts coverage chaos mutation bench profile words lifecycles lock clean audit sbom docs image
# Tools with an environment of their own: $(call OWN,NAME,LOCKS) makes build/NAME from these locks.
OWN = test -x build/$(1)/bin/python || $(PYTHON) -m venv build/$(1); \
	for lock in $(2); do build/$(1)/bin/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes -r requirements/$$lock.lock; done
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

# 1 is pytest's word for tests that failed; whatever else went wrong gets no second look.
test: $(STAMP) parts check
	@rm -f .pytest_cache/v/cache/lastfailed
	@$(BIN)/python -m pytest -p tests.verdicts -n 4 --dist loadgroup $(ARGS) || { test $$? = 1 && $(BIN)/python -m tests.second_look; }
	$(if $(ARGS),,@$(BIN)/python -m tests.health_page --check)

# Which branches of the handlers the tests take, in their own processes: fails below all of them (pyproject.toml says
# what does not count). Half an hour; what only a started bot reaches does not count.
coverage: $(STAMP) parts
	@rm -rf build/coverage* && mkdir -p build
	@$(BIN)/python -m coverage run -m pytest -q -p no:cacheprovider -n 4 --dist loadgroup tests/handlers tests/bot tests/contracts $(ARGS)
	@$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report

# Every point at which something is killed, cut or full, each briefly and in an order of its own, in fifteen minutes:
# `make chaos`, `make chaos CHAOS_SEED=7`. `make chaos CHAOS=full`: everything at length, which takes hours.
CHAOS ?= points
AT_LENGTH := tests/handlers/test_consent.py tests/handlers/test_one_byte.py tests/handlers/test_two_processes.py \
	tests/handlers/test_run_clicks.py tests/handlers/test_rotation_crashes.py tests/bot/mongo/test_accounts.py
chaos: $(STAMP) parts
	@CHAOS=$(CHAOS) $(BIN)/python -m pytest -p tests.chaos.results --dist loadgroup -r fE tests/chaos \
		$(if $(filter full,$(CHAOS)),$(AT_LENGTH) -n 2 --timeout 900,-n 4 -p tests.chaos.bounded) $(ARGS)

# Says which words of the bot have no translation, and writes their places into bot/words/*.po.
words: $(STAMP)
	@$(BIN)/python -m tests.words $(ARGS)

# Writes the life cycles that ship anew, each with the day it is known of: Node's and Electron's from npm's registry.
lifecycles: $(STAMP)
	@$(BIN)/python -m tests.lifecycles

# Changes one thing at a time in the gate, the policy and the audit record, and sees whether a test fails:
# `make mutation`, `make mutation ARGS=seals`, `MUTANTS=all make mutation` for every one.
mutation: $(STAMP)
	@$(subst --only-binary :all:,,$(PIP_INSTALL)) -r requirements/mutation.lock  # one of them has no wheel
	@$(BIN)/python -m tests.mutation $(ARGS)

# `make bench` (what fits in twenty minutes, the oldest figures first), `make bench ONLY=backup`, `make bench ONLY=gate`,
# `make bench ARGS=--quick` (two minutes), `make bench ARGS=--long` (all of it).
bench: $(STAMP) parts
	@$(BIN)/python -m tests.bench $(ONLY) $(ARGS)

# Flame graphs of the hot paths, into docs/profiles.
profile: $(STAMP) parts
	@$(PIP_INSTALL) -r requirements/profile.lock
	@$(BIN)/python -m tests.bench.profiles $(ARGS)

# Pins again what pyproject.toml asks for: `make lock`, or `make lock UPGRADE=--upgrade` for newer versions.
lock: $(STAMP)
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements/bot.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev -c requirements/bot.lock -o requirements/dev.lock
	$(COMPILE) $(UPGRADE) --group mutation -c requirements/dev.lock -o requirements/mutation.lock
	$(COMPILE) $(UPGRADE) --group profile -c requirements/dev.lock -o requirements/profile.lock
	$(COMPILE) $(UPGRADE) --group supply -o requirements/supply.lock
	$(COMPILE) $(UPGRADE) --group docs -o requirements/docs.lock
	$(COMPILE) $(UPGRADE) --no-deps --group parts -o requirements/parts.lock
	$(COMPILE) $(UPGRADE) requirements/build.in -c requirements/dev.lock -o requirements/build.lock
	$(COMPILE) $(UPGRADE) requirements/npm.in -o requirements/npm.lock

# Whether a known weakness is in what the bot is made of: 0 no, 1 yes, 2 not known.
audit: $(STAMP)
	@$(call OWN,supply,supply)
	@$(BIN)/python -m tests.supply audit --tools build/supply/bin

# What the bot is made of, and under which licences: build/negahban.cdx.json and build/licences.md.
sbom: $(STAMP)
	@$(call OWN,supply,supply)
	@$(call OWN,bot,bot)
	@$(BIN)/python -m tests.supply sbom --tools build/supply/bin --bot build/bot/bin/python

# The docs site, in build/site.
docs: $(STAMP)
	@$(call OWN,pages,docs)
	@$(BIN)/python -m tests.site build/docs
	@build/pages/bin/mkdocs build --quiet --strict

# Builds the image with podman and measures it: `make image ARGS="--base IMAGE"`.
image: $(STAMP)
	@$(BIN)/python -m tests.image $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
