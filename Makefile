# The whole workbook in five words; `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help report test lab check bench

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

report: $(READY)  ## set up, publish the demo shop's last month, print where index.html is
	@$(BIN)/clvbook run params/demo.yml

test: check  ## set up and pass the tests
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lab: $(READY)  ## set up and open the notebooks in JupyterLab
	@$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

check: $(READY)  ## style, clean notebooks, the import rule, the README's commands
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -q tests/test_house.py

bench: $(READY)  ## speed and memory, each against its peer in one run
	@$(BIN)/python benchmarks/customer_value.py
	@$(BIN)/python benchmarks/report.py
	@$(BIN)/python benchmarks/lifecycle.py
	@$(BIN)/python benchmarks/taobao.py
	@$(BIN)/python benchmarks/campaigns.py
	@$(BIN)/python benchmarks/retention.py

# pip takes no editable install beside hashes: two steps, and the second downloads nothing.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "clvbook needs Python 3.11 or newer; $$($(PYTHON) --version) is first on the path. Hint: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once; a few minutes on a slow line)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
