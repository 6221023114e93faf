# The loop of work; `make help` lists the targets. Everything happens in .venv, which `make` makes.

VENV   ?= .venv
BIN    := $(VENV)/bin
PYTHON := $(BIN)/python
STAMP  := $(VENV)/.installed
# The first of these that is new enough; set BASE_PYTHON to choose another.
BASE_PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)

# The suite starts Python more than a hundred times: none of them compiles the same sources again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@test -n "$(BASE_PYTHON)" \
		|| { echo "linkage needs Python 3.11 or newer: install it, or set BASE_PYTHON" >&2; exit 1; }
	@$(BASE_PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(BASE_PYTHON) cannot make virtual environments: install its venv package (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "installing into $(VENV) (once)"
	@$(BASE_PYTHON) -m venv $(VENV)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input \
		--constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: install
install: $(STAMP) ## Make .venv with linkage and the tools of its developers.

.PHONY: demo
demo: $(STAMP) ## Show both of the patent's embodiments, live.
	@$(BIN)/linkage demo

.PHONY: test
test: $(STAMP) ## Run the tests that need no other software.
	HYPOTHESIS_PROFILE=ci $(PYTHON) -m pytest -m "not real and not campaign and not wheel" --numprocesses auto --dist worksteal

.PHONY: check
check: $(STAMP) ## Check style, types, import contracts and generated files.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTHON) -m protocol.generate --check docs/reference
	$(PYTHON) -m linkage.reference --check docs/reference

.PHONY: test-fault
test-fault: $(STAMP) ## Kill everything over and over while notices flow, and count what arrived.
	$(PYTHON) -m pytest -m campaign tests/fault

.PHONY: wheel
wheel: $(STAMP) ## Build dist/linkage-VERSION-py3-none-any.whl.
	@rm -rf build
	@$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/linkage-*.whl

.PHONY: test-wheel
test-wheel: $(STAMP) ## Run every command of the documentation from a wheel, far from the clone.
	$(PYTHON) -m pytest -m wheel tests/wheel

.PHONY: fuzz
fuzz: $(STAMP) ## Send a million damaged streams to a serving linkage (about 15 minutes on two cores).
	$(PYTHON) -m tests.load.fuzz --streams 1000000

.PHONY: test-real
test-real: $(STAMP) ## Run the tests against real software (Debian, as root).
	tests/real/provision.sh
	tests/real/provision-sms.sh
	tests/real/provision-mail.sh
	tests/real/provision-fax.sh
	benchmarks/provision.sh
	$(PYTHON) -m pytest -m real tests/real

.PHONY: bench
bench: $(STAMP) ## Measure: the cost of a message; linkage beside others, and beside a clone with its .venv (AGAINST=DIR).
	benchmarks/provision.sh || test $$? -eq 3
	$(PYTHON) -m benchmarks.codec
	$(PYTHON) -m benchmarks.durable
	$(PYTHON) -m benchmarks.ringing $(if $(AGAINST),--against $(AGAINST)) || test $$? -eq 3

.PHONY: bench-all
bench-all: $(STAMP) ## Measure everything, for hours, and write docs/reference/performance.md.
	benchmarks/provision.sh || test $$? -eq 3
	$(PYTHON) -m benchmarks.all; status=$$?; $(PYTHON) -m benchmarks.report && exit $$status

.PHONY: generate
generate: $(STAMP) ## Write docs/reference anew from classes and commands.
	$(PYTHON) -m protocol.generate docs/reference
	$(PYTHON) -m linkage.reference docs/reference

.PHONY: format
format: $(STAMP) ## Bring the source into its format.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: clean
clean: ## Remove .venv and everything that was made.
	rm -rf $(VENV) build dist *.egg-info .coverage* htmlcov .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
