# fhir_bridge: `make demo` sets everything up and serves a sample cohort; `make test` passes the tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Tests and benchmarks start some hundred processes: where each compiled its 800 modules anew, half of a run would be that.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test soak mutation check format bench bench-full referee clean

help:            ## Show this help
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/'

install: $(INSTALLED) ## Create the virtual environment with everything pinned

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: install ## Create, load and serve the sample cohort (DEMO_ARGS="--no-serve" stops after loading)
	$(BIN)/fhir-bridge demo $(DEMO_ARGS)

# `make check test` runs the tests of the documentation once.
DONE := $(if $(filter check,$(MAKECMDGOALS)),--ignore=tests/docs)

test: install ## Run the tests
	FHIR_BRIDGE_PLUGINS=builtin $(BIN)/python -m pytest $(DONE) $(PYTEST_ARGS)

soak: install ## Run the long property tests, which `make test` leaves out
	FHIR_BRIDGE_PLUGINS=builtin $(BIN)/python -m pytest -m soak --timeout 3600 $(PYTEST_ARGS)

mutation: install ## Run the mutation tests: 85 % of the mutants of four modules are killed (MUTATION_ARGS)
	$(BIN)/python scripts/mutation.py $(MUTATION_ARGS)

check: install ## The whole gate: format, lint, types, layers, interfaces, words, dependencies, mappings, terminology, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_interfaces.py
	$(BIN)/python scripts/check_words.py
	$(BIN)/deptry .
	$(BIN)/fhir-bridge mapping check
	$(BIN)/fhir-bridge terminology lint
	FHIR_BRIDGE_PLUGINS=builtin $(BIN)/python -m pytest -q tests/docs

format: install ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## Run the benchmarks and print their tables
	@for file in $(filter-out $(addprefix benchmarks/,million.py peers.py serving.py),$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

bench-full: bench ## The same, searches of a million Observations, a genome, 200,000 images (15 GB of disk, an hour)
	$(BIN)/python benchmarks/million.py
	$(BIN)/python benchmarks/growth.py --full

referee: install ## Validate our FHIR with the official HL7 validator, and measure how far ours agrees (Java, Maven, npm)
	rm -rf .referee/demo && $(BIN)/fhir-bridge demo --no-serve --export .referee/demo
	$(BIN)/python scripts/referee.py .referee/demo --closed
	-$(BIN)/fhir-bridge convert --adapter dicom --out .referee/pydicom --report .referee/pydicom.json --force \
		$$($(BIN)/python -c "from pydicom.data import get_testdata_file as f; import pathlib; print(pathlib.Path(f('CT_small.dcm')).parent)")
	$(BIN)/python -m scripts.agreement --adapters .referee/demo --adapters .referee/pydicom $(AGREEMENT_ARGS)

clean: ## Remove what make created
	rm -rf $(VENV) .referee mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache node_modules
