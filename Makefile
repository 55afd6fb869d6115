# make demo   trains a small n-S4D on handwritten digits, quantises it, runs it in Lava
# make test   lint, types and tests; make test-slow the tests that it leaves out; make soak
# make test-lava  Lava's own unit tests on its runtime and on ours (about five minutes)
# make fuzz   files made to do harm, for ten minutes (MINUTES=60: an hour), to every reader
# All set everything up first, on a fresh machine too.

VENV := .venv
BIN := $(VENV)/bin

MINUTES := 10

.PHONY: demo test test-lava fuzz lint format clean

demo: $(VENV)/.installed
	$(BIN)/lava-ssm demo

# modules that were compiled are kept, for the many processes that tests start
test test-slow: export PYTHONDONTWRITEBYTECODE :=

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

.PHONY: test-slow soak
test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

# random networks, graphs, files and streams for half an hour (MINUTES=480: a night)
soak: MINUTES := 30
soak: $(VENV)/.installed
	$(BIN)/python -m scripts.soak --minutes $(MINUTES) --json benchmarks/results/soak.json

test-lava: $(VENV)/.installed
	$(BIN)/python scripts/test_lava.py

fuzz: $(VENV)/.installed
	$(BIN)/python -m scripts.fuzz --minutes $(MINUTES)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: pyproject.toml constraints.txt scripts/setup.sh
	bash scripts/setup.sh

clean:
	rm -rf $(VENV) .uv runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
