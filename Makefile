# Two commands: `make demo` runs the main job on a scene it renders itself; `make test` runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo-out

.PHONY: demo test soak lint bench gpu docs pages pictures clean

demo: $(VENV)/.installed
	$(BIN)/gpudepth demo $(DEMO)

test: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest -n 2 $(PYTEST)

soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m soak -s $(PYTEST)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tools.prose

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

# On a machine with a GPU that may have no network: it uses the packages that PYTHON has.
gpu:
	$(PYTHON) -m tools.gpu_check --budget $(or $(BUDGET),560)

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

pages: $(VENV)/.installed-dev
	GPUDEPTH_BACKEND=numpy $(BIN)/python -m tools

pictures: $(VENV)/.installed-dev
	$(BIN)/python -m tools.pictures

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("gpudepth needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
