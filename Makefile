# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test setup lint unit bench clean

demo: setup
	$(BIN)/lexloom demo

test: lint unit

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[test]'
	touch $@

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit: setup
	$(BIN)/pytest -n auto

# Measures lexloom beside gensim and fastText. DATA is a folder with enwiki/enwiki_100mb.txt.xz and wordsim/.
bench: $(if $(DATA),setup)
	$(if $(DATA),,$(error DATA is missing: give a folder with enwiki/enwiki_100mb.txt.xz and wordsim/, as in make bench DATA=FOLDER))
	$(PIP) --editable '.[bench]'
	$(BIN)/python -m benchmarks --data $(DATA); status=$$?; $(BIN)/python -m benchmarks.readme && exit $$status

clean:
	rm -rf $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
