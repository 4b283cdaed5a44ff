# make verify   check every claim and write results/verify/report.html
# make escape   measure escape rates against sharpness; interrupted, it goes on where it stopped
# make evidence try the claims about networks on real networks; interrupted, it goes on; make evidence-quick in minutes
# make test     run the tests; make test-browser those of the lessons in a real browser
# make teach    open the lessons in the browser; make lessons-static writes them as pages without a server
# make docs     build the documentation into results/docs (open index.html); its verdicts are those of the last verify
# make readme   renew the tables of findings, in README and docs/findings.md, from the last verify, escape and evidence
# make bench    measure how fast it is, beside numpy, numba, jax, diffrax, torchsde and C
# Each creates .venv and installs what it needs, by uv where there is one; PYTHON chooses the interpreter (3.11 or newer).
# Modules are compiled as they are first used: of all that is installed few are.
# make verify TORCH=no does without torch, and so do quick, escape, teach and lessons-static.
# Without make, as on Windows: pip install . and python -m experiments verify (docs/installation.md).

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
RUNS := $(if $(filter no,$(TORCH)),.venv/installed-without-torch,$(INSTALLED))
UV := $(shell command -v uv || true)
INSTALL := $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check --no-compile)
INSTALL += --quiet --constraint constraints.txt --editable

.PHONY: verify quick escape evidence evidence-quick teach lessons-static test test-long test-browser bench docs readme lint clean

verify: $(RUNS)
	$(BIN)/diffusion-lab verify --out results/verify

quick: $(RUNS)
	$(BIN)/diffusion-lab verify --quick --out results/verify

escape: $(RUNS)
	$(BIN)/diffusion-lab escape --out results/escape

evidence: $(INSTALLED)
	$(BIN)/diffusion-lab evidence --out results/evidence

evidence-quick: $(INSTALLED)
	$(BIN)/diffusion-lab evidence --quick --out results/evidence-quick

teach: $(RUNS)
	$(BIN)/diffusion-lab teach

lessons-static: $(RUNS)
	$(BIN)/diffusion-lab teach --static results/lessons

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

test-long: $(INSTALLED)
	$(BIN)/python -m pytest -m long --numprocesses 2 --dist loadscope --no-loadscope-reorder -rP

# CHROMIUM chooses the browser; pictures and latencies are kept in results/browser
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome google-chrome-stable,$(shell command -v $(name))))

test-browser: $(INSTALLED)
	@test -n "$(CHROMIUM)" || { echo "No Chromium found: apt-get install chromium, or make test-browser CHROMIUM=path" >&2; exit 1; }
	CHROMIUM="$(CHROMIUM)" $(BIN)/python -m pytest -m 'browser and not long' -s

bench: $(INSTALLED)
	$(INSTALL) '.[evidence,sweep,teach,dev,bench]'
	$(BIN)/diffusion-lab bench --out results/bench

docs: $(INSTALLED) results/verify/verdicts.json
	$(INSTALL) '.[evidence,sweep,dev,docs]'
	$(BIN)/sphinx-build -W --keep-going -b html docs results/docs

results/verify/verdicts.json: | $(INSTALLED)
	$(BIN)/diffusion-lab verify --quick --out results/verify

readme: $(INSTALLED)
	$(BIN)/python docs/_ext/readme.py results/verify/verdicts.json results/escape/verdicts.json results/evidence/verdicts.json

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

$(INSTALLED): EXTRAS := evidence,sweep,teach,dev
.venv/installed-without-torch: EXTRAS := sweep,teach
$(INSTALLED) .venv/installed-without-torch: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(INSTALL) '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf .venv results
