.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements/lock.txt
UV ?= .venv-uv/bin/uv
# openai is in the lock file, and its lines before, for tests that put one on PYTHONPATH.
OPENAI_BEFORE := 1.109.1 2.54.0
OPENAI_FILES := $(foreach v,$(OPENAI_BEFORE),requirements/openai-$(firstword $(subst ., ,$v)).txt)
OPENAI_STAMPS := $(OPENAI_FILES:requirements/%.txt=$(VENV)/%/.installed)
# Extra arguments for `demo`, `stack`, `soak`, `bench` and `lock`.
ARGS ?=

say = @printf '\033[1m==>\033[0m %s\n'
# No colour where the output is not a terminal.
ifeq ($(MAKE_TERMOUT),)
say = @printf '==> %s\n'
endif

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(STAMP) ## Run the demo (ARGS="..." are passed on; DEMO_SECONDS=N ends it)
	@$(BIN)/otel-token-monitor demo $(ARGS)

.PHONY: stack
stack: debian-packages $(STAMP) ## Run it with Prometheus and Alertmanager: see alerts arrive
	@$(BIN)/otel-token-monitor demo --stack $(ARGS)

.PHONY: test
test: debian-packages $(STAMP) $(OPENAI_STAMPS) ## Check style, types, layers; run the tests; try the wheel
	$(say) 'ruff format --check'
	@$(BIN)/ruff format --quiet --check . || { $(BIN)/ruff format --diff --quiet .; exit 1; }
	$(say) 'ruff check'
	@$(BIN)/ruff check --quiet .
	$(say) 'mypy'
	@$(BIN)/mypy --no-error-summary
	$(say) 'lint-imports'
	@out=$$($(BIN)/lint-imports 2>&1) || { printf '%s\n' "$$out"; exit 1; }
	$(say) 'generated pages'
	@$(BIN)/python scripts/generate_docs.py --check
	@$(BIN)/python scripts/generate_dashboard.py --check
	$(say) 'pytest tests/unit'
	@$(BIN)/pytest -q -n auto tests/unit
	$(say) 'pytest tests/integration tests/deploy'
	@$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder tests/integration tests/deploy
	$(say) 'wheel'
	@scripts/check-wheel $(BIN)/python

.PHONY: soak
soak: $(STAMP) ## Run the soak test
	@$(BIN)/python -m tests.soak $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: fmt
fmt: $(STAMP) ## Format the code and apply ruff's safe fixes
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

.PHONY: docs
docs: $(STAMP) ## Write the generated pages of docs/, and the dashboard
	@$(BIN)/python scripts/generate_docs.py
	@$(BIN)/python scripts/generate_dashboard.py

# What each file of requirements/ is made with. The image's versions are those that are tested.
COMPILE = $(UV) --quiet --no-config pip compile --universal --python-version 3.11 \
    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: lock
lock: $(UV) ## Bring requirements/ up to date (ARGS=--upgrade for newer versions)
	$(say) 'lock'
	@$(COMPILE) pyproject.toml --group dev --all-extras --output-file $(LOCK) $(ARGS) >/dev/null
	@$(COMPILE) pyproject.toml --extra demo --constraint $(LOCK) \
	    --output-file requirements/runtime.txt >/dev/null
	@sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml \
	    | $(COMPILE) - --constraint $(LOCK) --output-file requirements/build.txt >/dev/null
	@for version in $(OPENAI_BEFORE); do printf 'openai==%s\ntqdm\n' "$$version" \
	    | $(COMPILE) - --no-deps --output-file "requirements/openai-$${version%%.*}.txt" $(ARGS) \
	    >/dev/null || exit 1; done

.PHONY: clean
clean: ## Remove the virtual environment, caches and build output
	@rm -rf $(VENV) .venv-uv build dist htmlcov .coverage .coverage.* .hypothesis \
	    .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: debian-packages
debian-packages:
	@scripts/install-debian-packages \
	    promtool prometheus prometheus-alertmanager prometheus-alertmanager \
	    docker-compose docker-compose

# Everything comes from the lock file, hatchling and editables for the package itself too.
$(STAMP): pyproject.toml $(LOCK)
	$(say) 'virtual environment'
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@PYTHON='$(PYTHON)' scripts/install-debian-packages python:ensurepip python3-venv
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation -e .
	@touch $@

# What else these need is in the lock file.
$(OPENAI_STAMPS): $(VENV)/%/.installed: requirements/%.txt $(STAMP)
	$(say) '$*'
	@rm -rf $(@D)
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes --no-deps \
	    --target $(@D) -r $<
	@touch $@

.venv-uv/bin/uv:
	$(say) 'uv'
	@$(PYTHON) -m venv .venv-uv
	@.venv-uv/bin/python -m pip --disable-pip-version-check install -qq 'uv>=0.9'
