# Two commands do everything on a machine with Python >= 3.11, pip and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test bench bench-check check deploy-check simulate soak audit sbom package format lock clean
.DELETE_ON_ERROR:

demo: $(READY)                       ## run the main job on the embedded sandbox
	$(BIN)/drs-sync demo

test: $(READY)                       ## run every test
	$(BIN)/python -m pytest -n auto --dist loadfile

bench: $(READY)                      ## measure against the sandbox in another process
	$(BIN)/python -m benchmarks

bench-check: $(READY)                ## the same; fails when a target is missed
	$(BIN)/python -m benchmarks --check

check: $(READY)                      ## format, lint, strict types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# An environment of its own: the linter's pins and ours differ.
CHECKS := $(VENV)/deploy-check
deploy-check: $(CHECKS)/.ready       ## security rules over templates and image of deploy/
	$(CHECKS)/bin/checkov --directory deploy --framework cloudformation dockerfile --compact --quiet --skip-download

$(CHECKS)/.ready: requirements/deploy.lock $(READY)
	$(PYTHON) -m venv $(CHECKS)
	$(CHECKS)/bin/python -m pip install --quiet --require-hashes -r requirements/deploy.lock
	touch $@

HISTORIES ?= 100000
SEED      ?= 0
simulate: $(READY)                   ## many more histories of the simulation than the tests play
	$(BIN)/python -m tests.simulation --histories $(HISTORIES) --seed $(SEED)

MINUTES ?= 10
soak: $(READY)                       ## both functions on real sockets in bad weather, for longer than the tests
	$(BIN)/python -m tests.runtime.soak --minutes $(MINUTES) --seed $(SEED)

AUDIT := $(VENV)/audit
audit: $(AUDIT)/.ready               ## known vulnerabilities of everything that is pinned; asks a public service
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r requirements/runtime.txt
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r requirements/dev.lock

sbom: $(AUDIT)/.ready                ## a bill of materials of the run-time dependencies: build/sbom.json
	mkdir -p build
	$(AUDIT)/bin/cyclonedx-py requirements requirements/runtime.txt --of JSON -o build/sbom.json

$(AUDIT)/.ready: requirements/audit.lock $(READY)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --require-hashes -r requirements/audit.lock
	touch $@

package: $(READY)                    ## the Lambda package of both functions: build/drs-sync.zip
	PYTHONPATH=. $(BIN)/python deploy/package.py build/drs-sync.zip

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Hashes are required: what is installed is what was locked.
$(READY): requirements/dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drs-sync needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# Rewrites the pins from the *.in files; needs uv on the PATH.
UV := uv pip compile --universal --python-version 3.11 --no-header --quiet --no-annotate --upgrade
lock:
	$(UV) requirements/runtime.in -o requirements/runtime.txt
	$(UV) requirements/sandbox.in -c requirements/runtime.txt -o requirements/sandbox.txt
	$(UV) --generate-hashes requirements/dev.in -c requirements/sandbox.txt -o requirements/dev.lock
	$(UV) --generate-hashes requirements/deploy.in -o requirements/deploy.lock
	$(UV) --generate-hashes requirements/audit.in -o requirements/audit.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
