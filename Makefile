# Every command of the project. `make` alone lists them.
# The virtual environments are made on first use; nothing else needs to be installed.

PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin
# whole files, in the order of tests/conftest.py: xdist's own would leave the slowest for the end
SIDE_BY_SIDE := -n 4 --dist loadfile --no-loadscope-reorder
# compiled once, not in each of the hundreds of processes that the tests start
unexport PYTHONDONTWRITEBYTECODE
PIP_OPTIONS := --quiet --disable-pip-version-check
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root,)

# Debian ships venv apart from Python: install it where we may, say so where we may not.
define make_venv
	@test -x $(1)/bin/pip || $(PYTHON) -m venv --clear $(1) >/dev/null 2>&1 || { \
		echo "python3-venv is missing, installing it"; \
		apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear $(1); \
	} || { echo "Install python3-venv first: sudo apt-get install python3-venv"; exit 1; }
	@$(1)/bin/pip install $(PIP_OPTIONS) --upgrade "pip>=25.1"
endef

# A Debian package some tests need: installed where we may, said where we may not.
define want
	@command -v $(1) >/dev/null || { \
		echo "$(1) is missing, installing $(2)"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); } >/dev/null 2>&1; \
	} || echo "$(2) could not be installed: the tests that need it are left out and listed at the end"
endef

.PHONY: help
help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: $(VENV)/ready ## the main job on a local sandbox, no key needed
	@$(BIN)/hooked-analytics demo

.PHONY: test
test: $(VENV)/ready-test ## all tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

.PHONY: test-oldest
test-oldest: $(OLDEST)/ready-test ## the tests on the oldest versions declared, pandas 2.2 among them
	@$(OLDEST)/bin/python -m pytest $(SIDE_BY_SIDE) -m "not browser and not cluster"

.PHONY: check
check: $(VENV)/ready-test ## style, types, layers, and the form of docstrings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layers.py
	@$(BIN)/python -m tests.docstrings

.PHONY: types
types: $(VENV)/ready-test ## the typed program under pyright too; `make check` has mypy
	@$(BIN)/pip install $(PIP_OPTIONS) --group types
	@$(BIN)/basedpyright --level error --pythonpath $(BIN)/python tests/typed_program.py

.PHONY: docs
docs: $(VENV)/ready-docs ## the documentation, into docs/_build/html
	@$(BIN)/python -m sphinx -b html --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html has $$(find docs/_build/html -name '*.html' | wc -l) pages"

.PHONY: wheel
wheel: $(VENV)/ready ## build the wheel, and try it without extras and with each in a fresh environment
	@$(BIN)/python tests/wheel.py

.PHONY: bench
bench: $(VENV)/ready-bench ## measure, and write benchmarks/RESULTS.md (about forty minutes)
	@$(BIN)/python -m benchmarks

.PHONY: faults
faults: $(VENV)/ready-test ## the package under faults, kills and attack; writes its part of the results
	$(call want,soffice,libreoffice-calc)
	@$(BIN)/python -m tests.faults

.PHONY: lab
lab: $(VENV)/ready ## JupyterLab on the panel, with a sandbox that is rendering
	@$(BIN)/jupyter lab $(AS_ROOT) notebooks/02_watch_renders.ipynb

.PHONY: notebooks
notebooks: $(VENV)/ready-test ## run the notebooks on the sandbox and keep their outputs
	@$(BIN)/python -m tests.notebooks notebooks/*.ipynb

.PHONY: clean
clean: ## remove the environments and what tools leave behind
	rm -rf $(VENV) $(OLDEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist docs/_build docs/reference/generated

$(VENV)/ready: pyproject.toml
	$(call make_venv,$(VENV))
	@echo "installing hooked-analytics into $(VENV)"
	@$(BIN)/pip install $(PIP_OPTIONS) --editable ".[all]"
	@touch $@

$(VENV)/ready-test: $(VENV)/ready pyproject.toml
	@echo "installing what the tests need"
	@$(BIN)/pip install $(PIP_OPTIONS) --group test --group cluster --group check
	$(call want,chromium,chromium fonts-dejavu-core)
	$(call want,java,openjdk-17-jre-headless)
	@touch $@

$(VENV)/ready-bench: $(VENV)/ready-test pyproject.toml
	@echo "installing the public data that is measured on"
	@$(BIN)/pip install $(PIP_OPTIONS) --group bench
	@touch $@

$(VENV)/ready-docs: $(VENV)/ready pyproject.toml
	@echo "installing what the documentation needs"
	@$(BIN)/pip install $(PIP_OPTIONS) --group docs
	@touch $@

$(OLDEST)/ready-test: pyproject.toml tests/oldest.py
	$(call make_venv,$(OLDEST))
	@echo "installing the oldest versions declared into $(OLDEST)"
	@$(PYTHON) tests/oldest.py > $(OLDEST)/constraints.txt
	@$(OLDEST)/bin/pip install $(PIP_OPTIONS) --editable ".[all]" --group test \
		--constraint $(OLDEST)/constraints.txt
	@touch $@
