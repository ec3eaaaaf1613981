# Postroom. `make demo` shows it, `make test` tests it, `make run` starts it; `make help` lists the rest.
# Imports cost three to four times as much without bytecode.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo run test check format lint types validate build deploy bench test-engines train evaluate lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/run: requirements/run.txt infra/layers/deps/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Postroom needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the local stack needs into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	@echo "Installing what the tests need into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv-sam/ready: requirements/sam.txt requirements/pip.txt
	@test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	@echo "Installing the SAM CLI into .venv-sam …"
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/pip.txt
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sam.txt
	@touch $@

demo: $(VENV)/run  ## start the stack, send customers' messages through it, show what happened
	@$(BIN)/python -m infra.cli demo

run: $(VENV)/run  ## start the stack on port 8080 and keep it up (PORT=9000 for another)
	@$(BIN)/python -m infra.cli run --port $(or $(PORT),8080)

test: $(VENV)/dev  ## all tests
	@$(BIN)/python -m pytest -n 4 --dist worksteal

check: format lint types validate test test-engines  ## what CI runs

format: $(VENV)/dev
	@$(BIN)/ruff format --check .

lint: $(VENV)/dev
	@$(BIN)/ruff check .

types: $(VENV)/dev
	@$(BIN)/mypy

validate: .venv-sam/ready
	@SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam validate --lint

test-engines: $(VENV)/dev  ## the store and the whole stack against DynamoDB Local and ElasticMQ
	@$(BIN)/python -m infra.engines

build: .venv-sam/ready $(VENV)/run  ## sam build, without Docker
	@MAKELEVEL= MAKEFLAGS= SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam build

deploy: build  ## sam deploy (ENV=dev, staging or prod)
	@.venv-sam/bin/sam deploy --config-env $(or $(ENV),dev)

train: $(VENV)/dev  ## make the model's weights again (ARGS=--licensed: with the licensed sets)
	@$(BIN)/python -m training weights $(ARGS)

evaluate: $(VENV)/dev  ## how right the labels are, table by table (ARGS="--out docs/accuracy.md")
	@$(BIN)/python -m training evaluate $(ARGS)

bench: $(VENV)/dev .venv-sam/ready  ## every figure in the documents (ONLY=cold_start for one)
	@$(BIN)/python -m bench $(ONLY)

# Every lock agrees with the others that may share an environment or a process with it. UPGRADE=--upgrade for newer versions.
LOCK := $(or $(UV),uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE)
lock:  ## resolve the dependencies again (needs uv)
	@cd requirements && $(LOCK) run.in -o run.txt && $(LOCK) dev.in -c run.txt -o dev.txt && $(LOCK) training.in -c dev.txt -o training.txt && $(LOCK) sam.in -o sam.txt && $(LOCK) pip.in -o pip.txt
	@cd requirements && $(LOCK) bench.in -c dev.txt -o bench.txt && $(LOCK) peers.in -c dev.txt -o peers.txt
	@cd infra/layers/deps && $(LOCK) requirements.in -c ../../../requirements/run.txt -o requirements.txt

clean:
	@rm -rf .aws-sam .local .mypy_cache .ruff_cache
