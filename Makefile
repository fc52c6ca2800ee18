# Everything runs inside .venv, made from the lock files; nothing else of the machine is touched.
PYTHON ?= python3.11
BIN := .venv/bin
DEMO_OUT ?= demo
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: demo test check test-slow lint format dictionary lock clean

demo: .venv/.installed-run
	$(BIN)/returnrisk demo --out $(DEMO_OUT)

test: .venv/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder

test-slow: .venv/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder -m slow

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(MAKE) test

format: .venv/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages of all tables, from the contracts, and of all rules, from their registries.
dictionary: .venv/.installed-run
	$(BIN)/python -m returnrisk.contracts.dictionary docs/data-dictionary.md
	$(BIN)/python -m returnrisk.screening.rules_page docs/rules.md

# New versions: needs the network; the result is committed. Addresses of package hosts never are.
lock: .venv/.python
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) --extra build --extra tune pyproject.toml --output-file requirements.lock
	$(LOCK) --extra test --constraint requirements.lock pyproject.toml --output-file tests/requirements.lock
	$(LOCK) tests/datacontract/requirements.in --output-file tests/datacontract/requirements.lock

.venv/.python:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed-run: requirements.lock pyproject.toml | .venv/.python
	@echo "installing what running needs (about two minutes the first time) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-test: tests/requirements.lock .venv/.installed-run
	@echo "installing what the tests need ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement tests/requirements.lock
	@touch $@

clean:
	rm -rf .venv $(DEMO_OUT) .mypy_cache .ruff_cache .pytest_cache
