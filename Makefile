# make verify   check every claim and write results/verify/report.html
# make escape   measure escape rates against sharpness; interrupted, it goes on where it stopped
# make test     run the tests
# make bench    measure how fast it is, beside numpy, numba, jax, diffrax, torchsde and C
# Each creates .venv and installs what it needs; PYTHON chooses the interpreter (3.11 or newer).

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: verify quick escape test test-long bench lint clean

verify: $(INSTALLED)
	$(BIN)/diffusion-lab verify --out results/verify

quick: $(INSTALLED)
	$(BIN)/diffusion-lab verify --quick --out results/verify

escape: $(INSTALLED)
	$(BIN)/diffusion-lab escape --out results/escape

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-long: $(INSTALLED)
	$(BIN)/python -m pytest -m long -s

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[torch,sweep,dev,bench]'
	$(BIN)/diffusion-lab bench --out results/bench

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[torch,sweep,dev]'
	touch $(INSTALLED)

clean:
	rm -rf .venv results
