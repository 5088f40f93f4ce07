# One word to try it, one to test it. Each target sets itself up; a stamp makes the second time quick.
#   make demo    a server with data to play with on 127.0.0.1:8000
#   make test    all tests
#   make check   lint, format, strict types, import rules and tests: what CI runs
#   make simulate  the engine under a seeded scheduler, crashes and all; ARGS="--seconds 600" for how long
#   make torture   the long forms of everything that tries to lose money, and one table; ARGS="--minutes 60"
#   make loadtest  load on a server of its own, with a report; ARGS="--help" lists what it can do
#   make setup   only the environment in .venv
#   make lock    new locked dependencies from pyproject.toml and requirements/dev.in

# The first Python that is new enough; another one is named by `make PYTHON=...`.
ifndef PYTHON
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
endif
VENV ?= .venv
PORT ?= 8000
WORKERS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
LOCK := --quiet --no-config --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.DELETE_ON_ERROR:
.PHONY: setup demo test lint types check simulate torture loadtest lock clean

setup: $(STAMP)

# The stamp is written last, so an interrupted setup is done again.
$(STAMP): pyproject.toml requirements/runtime.txt requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "walletd needs Python 3.11 or newer; name it: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@# Its warning is about a folder named like the package inside the tree: there is none.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	@exec $(BIN)/walletd demo --port $(PORT)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy .

# The import rules are among the tests (tests/architecture).
check: lint types test

simulate: $(STAMP)
	$(BIN)/python -m walletd.tests.simulation $(ARGS)

torture: $(STAMP)
	$(BIN)/python -m walletd.tests.torture $(ARGS)

loadtest: $(STAMP)
	$(BIN)/python -m walletd.loadtest $(ARGS)

# What the public index publishes decides, not this machine's configuration of pip.
lock: export PIP_CONFIG_FILE = /dev/null
lock: export CUSTOM_COMPILE_COMMAND = make lock
lock: $(STAMP)
	env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL $(BIN)/pip-compile $(LOCK) -o requirements/runtime.txt pyproject.toml
	env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL $(BIN)/pip-compile $(LOCK) -o requirements/dev.txt requirements/dev.in

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
