# The two commands that a fresh machine needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow test-torch faults soak fuzz fuzz-guided docs bench bench-full lint check lock clean

demo: .venv/ready
	$(BIN)/lscape run configs/quickstart.yaml

test: .venv/ready-dev
	$(BIN)/python -m pytest -m "not slow and not faults" -q -n 2

fuzz: .venv/ready-dev
	$(BIN)/python -m tests.faults.fuzz

# by the code that files reach; for Linux
fuzz-guided: .venv/ready-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tests.faults.guided

test-slow: .venv/ready-dev
	$(BIN)/python -m pytest -m slow -q

test-torch: .venv-torch/ready
	.venv-torch/bin/python -m pytest -m torch -q

# within 40 minutes on 2 cores
faults: .venv/ready-dev
	$(BIN)/python -m pytest -m faults -q -n 2 --dist worksteal

# MINUTES of kills and restarts
MINUTES ?= 30
soak: .venv/ready-dev
	LSCAPE_SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -m faults -q -s tests/faults/test_soak.py

docs: .venv/ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --site-dir site

bench: .venv/ready-bench
	$(BIN)/python benchmarks/steps.py --json benchmarks/steps.json
	$(BIN)/python benchmarks/jobs.py quadratics --rounds 2 --json benchmarks/jobs.json

bench-full: .venv/ready-bench
	$(BIN)/python benchmarks/steps.py --full --json benchmarks/steps.json
	$(BIN)/python benchmarks/jobs.py --json benchmarks/jobs.json
	$(BIN)/python benchmarks/scaling.py --json benchmarks/scaling.json
	$(BIN)/python benchmarks/startup.py --json benchmarks/startup.json

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

check: lint test

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lscape needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

.venv/ready-docs: .venv/ready requirements-docs.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	touch $@

.venv/ready-bench: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[bench]'
	touch $@

# PyTorch's tests have an environment of their own, so that the other one is what users have
.venv-torch/ready: requirements.lock requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-dev.lock
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[bench,equinox,haiku]'
	touch $@

# needs uv
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra build pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra docs -c requirements.lock -c requirements-dev.lock pyproject.toml -o requirements-docs.lock

clean:
	rm -rf .venv .venv-torch .pytest_cache .ruff_cache site
