# Needs Python 3.11 or newer, make and git; everything else comes from the package registries.
PYTHON ?= python3
UV := .uv/bin/uv
RUN := $(UV) run --no-sync
# Compiled once, when it is installed, and not by each of the processes that a run starts.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

# The plugins' environments get the versions of the lock file, too.
CONSTRAINTS := .meltano-constraints.txt

.PHONY: help install demo dagster test bench bench-memory deployment crash mutants audit sbom lint format types docs clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

.venv/.installed: $(UV) uv.lock pyproject.toml $(wildcard */pyproject.toml)
	$(UV) sync --frozen --all-packages --all-extras --quiet
	@touch $@

install: .venv/.installed  ## Install everything into .venv and Meltano's plugin environments
	$(UV) export --frozen --quiet --all-packages --all-extras --no-dev --no-emit-workspace --no-hashes --output-file $(CONSTRAINTS)
	UV_CONSTRAINT=$(CURDIR)/$(CONSTRAINTS) $(RUN) meltano --log-level=warning install

demo: .venv/.installed  ## Run the whole pipeline against the sandbox and reconcile both sides
	@$(RUN) sandbox demo

dagster: .venv/.installed  ## Open Dagster's web page on the sandbox; Ctrl-C stops both
	@$(RUN) python -m orchestrate.trying

test: .venv/.installed  ## Run the tests
	$(RUN) pytest -n 2 --dist loadfile

SIZE ?= normal
bench: .venv/.installed  ## Measure speed beside what people would use instead, into bench/RESULTS.md (a quarter of an hour; SIZE=small to try)
	$(RUN) python -m bench --size $(SIZE)

bench-memory: .venv/.installed  ## Measure memory at a million master rows, into the same page (many minutes)
	$(RUN) python -m bench memory --size $(SIZE)

deployment: $(UV)  ## Hold deploy/ and the Dockerfile against what reads them, and state against buckets
	$(UV) run --frozen --isolated --all-packages --all-extras --group deployment pytest -q tests/deployment

crash: .venv/.installed  ## Kill every step of a run, one after the other, and count what both systems hold (about two hours)
	$(RUN) python -m tests.crash all
	$(RUN) python -m tests.model --steps 20000

mutants: .venv/.installed  ## Break the delivery and its ledger in every place, and name what no test notices (hours)
	$(UV) run --frozen --all-packages --all-extras --group mutants python -m tests.mutants

audit: $(UV)  ## Look all dependencies up in the databases of known vulnerabilities
	$(UV) export --frozen --quiet --all-packages --all-extras --no-emit-workspace --output-file .audit.txt
	$(UV) run --frozen --isolated --only-group supply-chain pip-audit --strict --require-hashes --disable-pip -r .audit.txt

sbom: $(UV)  ## Write sbom.cdx.json: every package that an installation has, with licence and origin (CycloneDX)
	UV_PROJECT_ENVIRONMENT=.sbom $(UV) sync --frozen --quiet --all-packages --all-extras --no-dev
	$(UV) run --frozen --isolated --only-group supply-chain cyclonedx-py environment .sbom/bin/python --output-reproducible --output-file sbom.cdx.json
	rm -rf .sbom

lint: .venv/.installed  ## Check style
	$(RUN) ruff format --check .
	$(RUN) ruff check .

types: .venv/.installed  ## Check types
	$(RUN) mypy

format: .venv/.installed  ## Rewrite to the style
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: .venv/.installed  ## Refresh the generated settings tables and Meltano plugin definitions
	$(RUN) python -m tests.readme_settings
	$(RUN) python -m tests.meltano_settings

clean:  ## Remove what was installed or written by demo and tests
	rm -rf .venv .uv .meltano .sandbox .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
