# Two commands are all you need: make xent_30 and make test. Python 3.11 or newer is all they need.
PYTHON ?= python3
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
NNEXP := $(BIN)/nnexp
BENCH_VENV := .bench-venv
PIP_INSTALL = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
REPRODUCTIONS := quadratic_30 quadratic_100 xent_30 xent_100

.DEFAULT_GOAL := help
.PHONY: help setup dev $(REPRODUCTIONS) mnist chapter3 evidence test torture additions lint check format docs sbom audit bench

help: ## list the targets
	@grep -E '^[a-z0-9_ $$()A-Z]+:.*## ' $(MAKEFILE_LIST) | sed 's/$$(REPRODUCTIONS)/$(REPRODUCTIONS)/' \
	  | awk -F ':.*## ' '{ printf "  make %-48s %s\n", $$1, $$2 }'

setup: $(VENV)/.core ## create .venv with nnexp in it

dev: $(VENV)/.dev ## the same, with what tests and checks need

$(VENV)/.python $(BENCH_VENV)/.python .audit-venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nnexp needs Python 3.11 or newer; say which with: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(@D) || \
	  { echo "this Python cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.core: $(VENV)/.python pyproject.toml constraints.txt
	@echo "setting up $(VENV) ..."
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "adding what tests and checks need ..."
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(REPRODUCTIONS): setup ## train this published experiment of the book
	@$(NNEXP) train configs/$@.yaml

mnist: setup ## all four, three seeds each, then compare them
	@folder=runs/mnist-$$(date -u +%Y%m%d-%H%M%S) && \
	  $(NNEXP) train $(REPRODUCTIONS:%=configs/%.yaml) --seeds 0-2 --runs-dir $$folder && \
	  echo && $(NNEXP) compare $$folder

chapter3: setup ## train every experiment of chapter 3, then write docs/reproduction.md (QUICK=1: a fraction)
	@$(BIN)/python -m nnexp.reproduction $(if $(QUICK),--quick)

evidence: dev ## train the studies of the costs, ten seeds per arm, then write docs/evidence.md
	@$(BIN)/python docs/evidence.py

test: dev ## run the tests (SLOW=1: those that wait, or take seconds, in place of the others)
	@$(BIN)/python -m pytest -q -m "$(if $(SLOW),slow,not slow)"

torture: dev ## kill runs, fail disks, cut the power, fuzz (15 minutes; SHORT=1: one; ARGS=--soak: 25)
	@$(BIN)/python tests/torture $(if $(SHORT),--short) $(ARGS)

additions: dev ## follow CONTRIBUTING.md on a copy of the tree, then run all tests there
	@$(BIN)/python tests/contributing/additions.py $(ARGS)

lint: dev ## check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: dev ## correct the style where that is automatic
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: dev ## write the generated parts of docs/
	@$(BIN)/python docs/generate.py

sbom: dev ## write sbom.cdx.json, the software bill of materials (CycloneDX)
	@$(BIN)/python docs/sbom.py sbom.cdx.json

audit: .audit-venv/.audit ## look for known vulnerabilities in the pinned versions (asks a server)
	@.audit-venv/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

.audit-venv/.audit: .audit-venv/.python
	@$(PIP_INSTALL) pip-audit
	@touch $@

check: lint test ## lint and test

bench: $(BENCH_VENV)/.bench ## measure the speed against other programs (own environment, minutes)
	@$(BENCH_VENV)/bin/python benchmarks/bench.py $(ARGS)

$(BENCH_VENV)/.bench: $(BENCH_VENV)/.python pyproject.toml constraints.txt benchmarks/requirements.txt
	@echo "setting up $(BENCH_VENV) ..."
	@$(PIP_INSTALL) -r benchmarks/requirements.txt -e .
	@touch $@
