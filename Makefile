# Two commands do all the set-up on a fresh machine: `make quickstart` and `make test`.
# On a machine without a GPU, PyTorch's CPU build saves gigabytes: name it with TORCH, e.g. make test TORCH=torch==2.13.0+cpu
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
VERL ?= verl==0.9.1
ARGS ?=
PYTEST_ARGS ?=
# Tests side by side, twice as many as cores: half of the time they wait, for Ray, veRL or a server.
JOBS ?= 4

bin := $(VENV)/bin
ready := $(VENV)/.ready

.PHONY: quickstart test lint unit config bench clean

## veRL's GRPO on a tiny multilingual world, rewarded by pbrlsvr.embed_cosine; ARGS="--help" lists its options
quickstart: $(ready)
	$(bin)/python examples/quickstart/run.py $(ARGS)

## everything that must pass: lint, types, tests
test: lint unit

unit: $(ready)
	TORCH=$(TORCH) $(bin)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 10 $(PYTEST_ARGS)

# mypy cannot see `pbrlsvr` through an editable install, whose folder has another name, so it reads an installed copy.
lint: $(ready)
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	rm -rf build && $(bin)/pip install --quiet --no-deps --target build/types .
	MYPYPATH=build/types $(bin)/mypy
	PYTHONPATH=build/types $(bin)/lint-imports
	$(bin)/python -m pbrlsvr_plugin.config.generate --check

## the YAML files of the rewards and the tables of docs/options.md, from the option classes
config: $(ready)
	$(bin)/python -m pbrlsvr_plugin.config.generate

bench: $(ready)
	$(bin)/python benchmarks/import_time.py
	$(bin)/python benchmarks/rollout.py

$(ready): setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(bin)/pip install "$(TORCH)"
	$(bin)/pip install "$(VERL)" -e ".[embed,comet,ct2,prepare,report,tracking,serve,cpu,dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist runs *.egg-info
