# `make demo` and `make test` need Python >= 3.11, pip and make; each creates .venv if needed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Hundreds of tests start processes of ours. Without bytecode each of them would compile a few hundred modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-deep coverage mutants bench bench-check bench-short check deploy-check docs screenshots simulate soak audit sbom package format lock clean
.DELETE_ON_ERROR:

demo: $(READY)                       ## tell a story on the built-in simulated AWS, which ends on the status screen
	$(BIN)/drs-sync demo

# BUDGETS=--check-budgets fails a run with a directory that cost clearly more CPU than its budget in tests/budgets.toml.
# ONE_OF=12 runs one of twelve histories of the simulation, planted bugs and so on; ONE_OF_FILES=3 one of three of the files with
# other long tests. The id of the commit says which. By default all run.
ONE_OF       ?= 1
ONE_OF_FILES ?= 1
# Files are run in the order of their names, and not those with most tests first: the small ones of tests/unit, at the end, fill up
# the workers, where otherwise long tests of processes would wait for each other.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(BUDGETS)
test: $(READY)                       ## run the tests of a change: all but the long ones
	$(PYTEST) -m "not deep"

# Only the files that have long tests: to collect all tests takes each worker as long as some of these take to run.
DEEP = $(shell grep -rl --include='test_*.py' 'mark\.deep' tests | LC_ALL=C sort)
test-deep: $(READY)                  ## run the long tests: simulation, kills, soaks, fuzzed requests, the pages' commands
	$(PYTEST) -m deep --one-of $(ONE_OF) --one-of-files $(ONE_OF_FILES) $(DEEP)

bench: $(READY)                      ## run the benchmarks against a simulated AWS
	$(BIN)/python -m benchmarks

bench-check: $(READY)                ## run the benchmarks; fail when a target is missed
	$(BIN)/python -m benchmarks --check

bench-short: $(READY)                ## run the short form of the benchmarks, a minute of CPU; fail when a target is missed
	$(BIN)/python -m benchmarks --short --check

check: $(READY)                      ## check format, lint, strict types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The linter has its own environment, because its pins conflict with those of .venv.
CHECKS := $(VENV)/deploy-check
deploy-check: $(CHECKS)/.ready       ## check security rules of the templates and the Dockerfile in deploy/
	$(CHECKS)/bin/checkov --directory deploy --framework cloudformation dockerfile --compact --quiet --skip-download

$(CHECKS)/.ready: requirements/deploy.lock $(READY)
	$(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python -m pip install --quiet --require-hashes -r requirements/deploy.lock
	touch $@

DOCS := $(VENV)/docs
docs: $(DOCS)/.ready                 ## build the documentation site (build/docs/index.html); fail on a broken link
	rm -rf build/docs
	$(DOCS)/bin/sphinx-build --fail-on-warning --keep-going --fresh-env --write-all --quiet \
		--conf-dir docs --doctree-dir build/doctrees . build/docs

$(DOCS)/.ready: requirements/docs.lock $(READY)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --require-hashes -r requirements/docs.lock
	touch $@

screenshots: $(READY)                ## take the pictures of the pages in docs/pictures; needs Chromium
	$(BIN)/python -m tests.browser

HISTORIES ?= 100000
SEED      ?= 0
simulate: $(READY)                   ## run the simulation with more histories than the tests do: HISTORIES=100000 SEED=0
	$(BIN)/python -m tests.simulation --histories $(HISTORIES) --seed $(SEED)

coverage: $(READY)                   ## measure which lines and branches the tests run: build/coverage/index.html
	mkdir -p build
	$(PYTEST) -m "not deep" --cov --cov-report=html:build/coverage --cov-report=xml:build/coverage.xml \
		--cov-report=term:skip-covered

MUTANTS ?=
mutants: $(READY)                    ## plant each bug of tests/mutants, and see that the tests named for it fail: MUTANTS="R1.3 R10.4"
	$(BIN)/python -m tests.mutants $(MUTANTS)

MINUTES ?= 10
soak: $(READY)                       ## run both Lambda functions under injected faults, for longer than the tests do: MINUTES=10
	$(BIN)/python -m tests.runtime.soak --minutes $(MINUTES) --seed $(SEED)

AUDIT := $(VENV)/audit
audit: $(AUDIT)/.ready               ## check pinned packages for known vulnerabilities; needs internet access
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r requirements/runtime.txt
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r requirements/dev.lock

sbom: $(AUDIT)/.ready                ## write a software bill of materials of the run-time dependencies: build/sbom.json
	mkdir -p build
	$(AUDIT)/bin/cyclonedx-py requirements requirements/runtime.txt --of JSON -o build/sbom.json

$(AUDIT)/.ready: requirements/audit.lock $(READY)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --require-hashes -r requirements/audit.lock
	touch $@

package: $(READY)                    ## build the Lambda package of both functions: build/drs-sync.zip
	$(PYTHON) -I deploy/package.py build/drs-sync.zip

format: $(READY)                     ## format the code and apply the fixes of the linter
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Hashes are required, so that only the locked files are installed.
$(READY): requirements/dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drs-sync needs Python 3.11 or newer. Fix: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# Upgrades every pin within the bounds of the *.in files; needs uv on the PATH.
UV := uv pip compile --universal --python-version 3.11 --no-header --quiet --no-annotate --upgrade
lock:                                ## upgrade the pins in requirements/; needs uv
	$(UV) requirements/runtime.in -o requirements/runtime.txt
	$(UV) requirements/sandbox.in -c requirements/runtime.txt -o requirements/sandbox.txt
	$(UV) requirements/login.in -o requirements/login.txt
	$(UV) requirements/web.in -c requirements/sandbox.txt -o requirements/web.txt
	$(UV) --generate-hashes requirements/dev.in -c requirements/sandbox.txt -o requirements/dev.lock
	$(UV) --generate-hashes requirements/deploy.in -o requirements/deploy.lock
	$(UV) --generate-hashes requirements/audit.in -o requirements/audit.lock
	$(UV) --generate-hashes requirements/docs.in -o requirements/docs.lock

help:                                ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

clean:                               ## remove environments, caches and build results
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
