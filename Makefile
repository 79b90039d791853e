# Thin: each target makes .venv when it is missing or older than what it is made from.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
READY := $(VENV)/.ready

.PHONY: install demo test lint docs bench clean

install: $(READY)

$(READY): pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("recsys needs Python 3.11 or newer; name one with make PYTHON=...") if sys.version_info < (3, 11) else None'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-compile -c .ci/constraints.txt -e '.[dev]'
	touch $@

demo: $(READY)
	$(VENV)/bin/recsys demo

test: $(READY)
	$(VENV)/bin/python -m pytest -n auto

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(READY)
	$(VENV)/bin/python -m pytest tests/test_docs.py
	$(VENV)/bin/python -W "error:Couldn't import" -m pdoc --docformat google --output-directory build/docs recsys pipelines '!pipelines.benchmarks'

bench: $(READY)
	$(VENV)/bin/python -m pipelines.benchmarks.recommend

clean:
	rm -rf $(VENV) runs build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
