# make demo   trains a small n-S4D on handwritten digits, quantises it, runs it in Lava
# make test   lint, types and tests; make test-slow runs those that take long, which it leaves out
# make soak   random networks, graphs, files and streams for MINUTES=30, until something differs
# make test-lava  Lava's own unit tests on its runtime and on ours (about five minutes)
# All set everything up first, on a fresh machine too.

VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow soak test-lava lint format clean

MINUTES := 30

demo: $(VENV)/.installed
	$(BIN)/lava-ssm demo

# modules that were compiled are kept, for the many processes that tests start
test test-slow: export PYTHONDONTWRITEBYTECODE :=

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

soak: $(VENV)/.installed
	$(BIN)/python -m scripts.soak --minutes $(MINUTES) --json benchmarks/results/soak.json

test-lava: $(VENV)/.installed
	$(BIN)/python scripts/test_lava.py

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
