# vidi: two commands. `make demo` shows the main job on real photographs, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
export PYTHON
unexport PYTHONDONTWRITEBYTECODE # modules that were compiled and rewritten once need not be again
# A file of tests stays with one worker, so what its tests share is made once; tests/conftest.py puts the slowest files first.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 10

.PHONY: demo test test-all check types layers fast faults soak bench constraints release clean help

help:
	@echo "make demo     set up, train on real photographs, write a model file and a report"
	@echo "make test     set up and test, in five minutes"
	@echo "make test-all make test, make faults, and what takes long: wheel, container, clusters, small runs of the benches"
	@echo "make check    format, lint, types, import contracts and the fast tests, in about a minute"
	@echo "make faults   the fault table with its counts up to 20;  make soak: the large counts"
	@echo "make bench    what the docs claim, measured here: most of a day, goes on after a stop (ONLY=name for one; VIDI_DATA for the larger sets)"
	@echo "make release  build the packages, check them, try each extra from the wheel alone: half an hour (EXTRAS="base serve" for some)"

demo: .venv/.demo
	@$(BIN)/vidi demo

test: .venv/.test
	$(PYTEST) -m "not integration and not (fault and slow)"

test-all: test
	VIDI_LEVEL=faults $(PYTEST) -m "fault or integration"

check: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory -j $(WORKERS) fast types layers

# Beside the tests, so that no core waits. mypy keeps what it found in .mypy_cache. It looks again at every file whose
# time or size has changed, at what imports it, and at all files after another version of mypy or other settings.
types: .venv/.test
	$(BIN)/mypy

layers: .venv/.test
	$(BIN)/lint-imports

fast: .venv/.test
	VIDI_LEVEL=check $(PYTEST) -m "not slow and not fault and not integration"

faults: .venv/.test
	VIDI_LEVEL=faults $(PYTEST) -m fault

soak: .venv/.test
	VIDI_LEVEL=soak $(PYTEST) -m fault --timeout 36000

bench: .venv/.test
	$(BIN)/python -m bench $(ONLY)

constraints: .venv/.test
	sh tools/constraints $(BIN)

release: .venv/.test
	$(BIN)/python tools/release.py $(EXTRAS)

clean:
	rm -rf .venv dist build

.venv/.demo: pyproject.toml constraints.txt tools/set_up
	@tools/set_up app
	@touch $@

.venv/.test: pyproject.toml constraints.txt tools/set_up
	@tools/set_up demo,tune,hub,openvino,heic,serve,log,video,mlflow,tensorboard,tables,ray test check release browser
	@touch .venv/.demo $@
