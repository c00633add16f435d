# Celery Sandbox. `make` alone prints what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Jupyter refuses to run as root, as in a container, unless it is told that this is meant.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help lab demo test retest labs notebooks browser drive gallery bench claims conformance faults theory coverage kill malformed property soak lint wheelhouse wheelhouse-test clean

help:  ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv is a fast installer; it is itself installed inside the virtual environment.
$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.base: $(BIN)/uv pyproject.toml constraints.txt
	$(INSTALL) -e '.[bundled]'
	@touch $@

$(VENV)/.notebook: $(VENV)/.base
	$(INSTALL) -e '.[bundled,notebook]'
	@touch $@

$(VENV)/.dev: $(VENV)/.notebook
	$(INSTALL) -e '.[bundled,dev]'
	@touch $@

lab: $(VENV)/.notebook  ## install and open JupyterLab at the first notebook
	$(BIN)/jupyter lab $(AS_ROOT) notebooks/00-start-here.ipynb

demo: $(VENV)/.base  ## the main job in the terminal: predict, run, crash, compare
	$(BIN)/sandbox demo

# Four processes on two cores: most of a live test is waiting.
test: $(VENV)/.dev  ## all tests (within 10 minutes on 2 cores)
	$(BIN)/python -m pytest tests --ignore tests/browser --ignore tests/offline -m "not types" -n 4 --dist worksteal
	$(BIN)/python -m pytest --nbval notebooks/00-start-here.ipynb

# Beside three others on two cores a live test may be late. What is wrong fails alone, too.
retest: $(VENV)/.dev  ## run once more, one by one, the tests that failed in `make test`
	$(BIN)/python -m pytest tests --ignore tests/browser --ignore tests/offline -m "not types" --last-failed --last-failed-no-failures none
	$(BIN)/python -m pytest --nbval notebooks/00-start-here.ipynb

# Seeds differ each time; the one used is printed, and SEED=… takes it again.
malformed: SEED ?= $(shell date +%s)
malformed: $(VENV)/.dev  ## 10,000 malformed scenarios, runs, calibrations, command lines
	MALFORMED=2500 $(BIN)/python -m pytest tests/malformed -v --hypothesis-seed=$(SEED)

# Each round's seed is printed; SEED=… begins with that one.
property: SECONDS ?= 600
property: $(VENV)/.dev  ## draw random systems and faults for SECONDS=600, on the model and live
	$(BIN)/python -m tests.property --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

notebooks: $(VENV)/.dev  ## build the notebooks from their sources and verify them
	$(BIN)/python tools/build_notebooks.py
	$(BIN)/python -m pytest --nbval notebooks/*.ipynb

# Every lab's cells run some six times, twice of them on real workers with each broker.
labs: BROKER ?= both
labs: $(VENV)/.dev  ## build and prove the labs (LABS="03 05"), on BROKER=redis, fake or both: docs/labs.md
	$(BIN)/python -m tools.teaching
	$(BIN)/python -m proof.labs --broker $(BROKER) $(LABS)
	$(if $(LABS),,$(BIN)/python -m pytest --nbval notebooks/*.ipynb)

browser: $(VENV)/.dev  ## drive the notebook in a real JupyterLab in headless Chromium
	$(BIN)/python -m pytest tests/browser

drive: SHOTS ?= dist/labs
drive: $(VENV)/.dev  ## do all labs (LABS="03 05") in JupyterLab, typing the solutions; photos in dist/labs
	$(BIN)/python -m tests.browser.drive_labs $(LABS) --shots $(SHOTS)

gallery: $(VENV)/.dev  ## photograph every picture in a headless Chromium: docs/gallery.md
	$(BIN)/python -m tests.browser.gallery $(SCENES)

$(VENV)/.bench: $(VENV)/.dev
	$(INSTALL) -e '.[bundled,dev,bench]'
	@touch $@

bench: $(VENV)/.bench  ## side-by-side ratios, the README's table
	$(BIN)/python -m benchmarks --write

conformance: $(VENV)/.dev  ## every row of the grid on real workers: docs/conformance.md
	$(BIN)/python -m proof.conformance

faults: $(VENV)/.dev  ## every fault under each ack mode on each engine: docs/faults.md
	$(BIN)/python -m proof.faults

claims: $(VENV)/.dev  ## every claim of the five documents, on real workers with Redis and the fake
	$(BIN)/sandbox claims --broker redis
	$(BIN)/sandbox claims --broker fake

theory: $(VENV)/.dev  ## the model against queueing theory: docs/theory.md
	$(BIN)/python -m proof.theory

coverage: $(VENV)/.dev  ## 200 live runs against their 95 % intervals: docs/coverage.md
	$(BIN)/python -m proof.coverage

kill: $(VENV)/.dev  ## kill every part of a session 20 times at random moments; nothing may be left
	SANDBOX_KILL_ROUNDS=20 SANDBOX_KILL_GRACE_S=2 $(BIN)/python -m pytest tests/kill -s

soak: MINUTES ?= 20
soak: $(VENV)/.dev  ## 20 minutes (MINUTES=…) of random faults at full load: docs/soak.md
	$(BIN)/python -m proof.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

lint: $(VENV)/.dev  ## ruff and mypy, on our own code and on a user's program
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m types tests/test_typed_api.py tests/test_platforms.py

wheelhouse: $(VENV)/.base  ## a folder that installs without internet: dist/wheelhouse
	$(BIN)/python tools/wheelhouse.py

wheelhouse-test: $(VENV)/.dev wheelhouse  ## make it, install from it without a network, use it
	$(BIN)/python -m pytest tests/offline

clean:  ## remove the virtual environment and what tools have left
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
