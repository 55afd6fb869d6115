# make demo   trains a small n-S4D on handwritten digits, quantises it, runs it in Lava
# make test   lint, types and tests; make test-slow the tests that it leaves out; make soak
# make test-random  the tests with random inputs, with others each time
# make test-core  what needs neither PyTorch nor Lava, in a small environment
# make test-lava  Lava's own unit tests on its runtime and on ours (about five minutes)
# make fuzz   files made to do harm, for ten minutes (MINUTES=60: an hour), to every reader
# make dist   the wheel and the source archive, built and checked
# make pythons  sizes, times, tests and the demonstration of the wheel on each Python
# make docs   the documentation as pages: site/index.html, to open in a browser
# All set everything up first, on a fresh machine too. PYTHON=3.13 takes another Python.

# PYTHON=3.13: another Python than the one that is preferred, in an environment of its own
VENV := .venv$(if $(PYTHON),-$(PYTHON))
BIN := $(VENV)/bin

MINUTES := 10

.PHONY: demo test test-lava fuzz lint format clean

demo: $(VENV)/.installed
	$(BIN)/lava-ssm demo

# modules that were compiled are kept, for the many processes that tests start
test test-slow test-random: export PYTHONDONTWRITEBYTECODE :=

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

.PHONY: test-slow test-random soak
test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

# the tests with random inputs, each time with others; a failure prints the line that repeats it
test-random: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and hypothesis" --hypothesis-profile random

# random networks, graphs, files and streams for half an hour (MINUTES=480: a night)
soak: MINUTES := 30
soak: $(VENV)/.installed
	$(BIN)/python -m scripts.soak --minutes $(MINUTES) --json benchmarks/results/soak.json

test-lava: $(VENV)/.installed
	$(BIN)/python scripts/test_lava.py

fuzz: $(VENV)/.installed
	$(BIN)/python -m scripts.fuzz --minutes $(MINUTES)

# what runs with the core and small extras: no PyTorch, no Lava
CORE := .venv-core$(if $(PYTHON),-$(PYTHON))
.PHONY: test-core
test-core: $(CORE)/.installed
	$(CORE)/bin/python -m pytest -n 2 --dist worksteal -m "not slow"

$(CORE)/.installed: pyproject.toml $(wildcard constraints/*.txt) scripts/setup.sh
	PYTHON=$(PYTHON) VENV=$(CORE) EXTRAS=audio,data,plot,test bash scripts/setup.sh

# the wheel and the source archive, in dist/
.PHONY: dist
dist: $(VENV)/.installed
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python scripts/check_dist.py dist

# what the wheel is on each Python, for README's table; PYTHONS="3.12 3.13" takes these alone
.PHONY: pythons
pythons: dist
	@# all that pyenv has are looked at, not only the one of this folder
	PATH="$(CURDIR)/.uv/bin:$$PATH" PYENV_VERSION="$$(pyenv versions --bare 2>/dev/null | paste -sd : -)" \
		$(BIN)/python -m scripts.pythons $(PYTHONS)

# nothing is fetched; a broken link or a public thing without a docstring is an error
.PHONY: docs
docs: export NO_MKDOCS_2_WARNING := true
docs: $(VENV)/.installed
	$(BIN)/python -m mkdocs build

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# types of the libraries differ from release to release: they are checked with those of 3.10
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))'; then $(BIN)/mypy; fi

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: pyproject.toml $(wildcard constraints/*.txt) scripts/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/setup.sh

clean:
	rm -rf .venv .venv-* .uv dist site runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
