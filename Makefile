# make demo    show the main job         make check        lint, types, import contracts
# make test    run the tests             make constraints  pin what is installed now
# make fuzz    spoiled files and messages, 20,000 and more, against the door and the readers
# make faults  500 faults on purpose, the proof that nothing is lost, doubled or stuck
# make proof   validators over every object that is written, from all films that there are
#
# PYTHON=...        the interpreter to use; else the newest of 3.11 to 3.13 that is there
# TORCH_INDEX=...   a package index with another build of PyTorch, for example the CPU build:
#                   https://download.pytorch.org/whl/cpu
# OUT=folder        where `make demo` writes

OUT ?= demo-out
TORCH ?= 2.13.0
TORCH_INDEX ?=
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install

ifdef TORCH_INDEX
SIZE := PyTorch $(TORCH) from $(TORCH_INDEX) and about 0.3 GB of other packages
else
SIZE := about 3 GB, nearly all of it PyTorch $(TORCH) with CUDA (see TORCH_INDEX in README.md)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test proof faults fuzz bench-receive bench-ledger check install constraints bench-queue

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

demo: $(STAMP) ## show the main job; OUT=folder chooses where the results go
	$(BIN)/dicom-node demo --out "$(OUT)"

test: $(STAMP) ## run the tests, one process a core
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

proof: $(STAMP) ## dciodvfy and DicomSRValidator over all objects, from all films that there are
	PYTHONPATH=.:tests nice $(BIN)/python tests/prove.py

bench-receive: $(STAMP) ## the door beside storescp --fork and Orthanc; a quarter of an hour
	PYTHONPATH=.:tests $(BIN)/python -m bench.receive

bench-ledger: $(STAMP) ## ask a ledger of 1,000,000 jobs, in SQLite and PostgreSQL; some minutes
	PYTHONPATH=.:tests:tests/bench nice $(BIN)/python tests/bench/ledger.py

faults: $(STAMP) ## 500 random faults, the proof after each round, and a table; FAULTS="--seed N"
	PYTHONPATH=.:tests nice $(BIN)/python -m faults $(FAULTS)

fuzz: $(STAMP) ## spoiled files, data sets and PDUs, and a table; FUZZ_INPUTS, FUZZ_SEED
	PYTHONPATH=.:tests:tests/fuzz nice $(BIN)/python tests/fuzz/run.py

bench-queue: $(STAMP) ## each stage by 1, 2 and 4 workers, 10,000 studies by 4 to the end; 2 hours
	PYTHONPATH=.:tests:tests/bench $(BIN)/python tests/bench/backlog.py --processes 1 2
	PYTHONPATH=.:tests:tests/bench $(BIN)/python tests/bench/backlog.py --processes 4 --together 7200

check: $(STAMP) ## ruff, mypy (strict) and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(STAMP) ## install into .venv

# One environment for all, made anew only where what is asked of it has changed.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  for python in $(PYTHONS); do \
	    "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	      >/dev/null 2>&1 || continue; \
	    right=$$python; \
	    "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	    echo "making $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv --clear $(VENV); \
	    break; \
	  done; \
	  if [ -z "$$right" ]; then \
	    echo "dicom-node needs Python 3.11, 3.12 or 3.13; tried: $(PYTHONS)." >&2; \
	    echo "Install one (on Debian 12: apt install python3-venv), or: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  if [ ! -x $(BIN)/python ]; then \
	    echo "$$right cannot make virtual environments: its module ensurepip is missing." >&2; \
	    echo "On Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	fi
	@echo "installing into $(VENV); on a first run this downloads $(SIZE)"
ifdef TORCH_INDEX
	@$(PIP) --no-deps --index-url "$(TORCH_INDEX)" "torch==$(TORCH)"
endif
	@$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

# Without hashes and without what belongs to one build of PyTorch, so that it serves every machine.
constraints: $(STAMP) ## write constraints.txt from what is installed in .venv
	@{ \
	  grep -E '^#|;' constraints.txt; \
	  $(BIN)/python -m pip freeze --all --exclude-editable \
	    | grep -Eiv '^(pip|triton|nvidia[-_]|cuda[-_])' \
	    | sed 's/+[^ ]*$$//'; \
	} > $(VENV)/constraints.new
	@mv $(VENV)/constraints.new constraints.txt
	@echo "wrote constraints.txt: $$(grep -c == constraints.txt) packages"
