# Two commands on a fresh machine: `make demo` shows it, `make test` proves it. Needs Python 3.11 or newer.
# Both prepare what they need, work as root and as an ordinary user, and need no network after the first time.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.9
# A stamp carries the hash of its lock file: a changed lock installs again, an unchanged one needs no network.
RUNTIME := $(VENV)/.runtime-$(shell sha256sum requirements.lock | cut -c1-16)
DEVELOPMENT := $(VENV)/.development-$(shell cat requirements.lock requirements-dev.lock | sha256sum | cut -c1-16)
JOBS ?= 2
CHECKED := $(filter-out node_modules/ var/ static/ locale/ docs/ templates/,$(wildcard */))

.PHONY: help demo up test check bench fmt lock browser clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(RUNTIME) ## a cafe with real purchases, to click through and to call
	@$(PYTHON) manage.py demo

up: $(RUNTIME) ## run everything in this terminal: web, worker, timetable, database, broker
	@$(PYTHON) manage.py up

test: $(DEVELOPMENT) browser check ## every check and every test, on PostgreSQL and Redis, and the core on SQLite
	@echo "== the core on the embedded default: SQLite"
	TEST_ON=embedded DATABASE_URL= REDIS_URL= $(VENV)/bin/pytest -q -m core || test $$? -eq 5
	echo "== everything on PostgreSQL and Redis"
	exec $(VENV)/bin/pytest -q -n $(JOBS)

check: $(DEVELOPMENT) ## style, types, import contracts, migrations, templates, requirements
	@echo "== style"
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check -q .
	echo "== templates"
	$(VENV)/bin/djlint --lint --quiet $(wildcard templates */templates)
	echo "== import contracts"
	$(VENV)/bin/lint-imports --no-logo 2>&1 | tail -n +3
	echo "== requirements"
	$(VENV)/bin/deptry . 2>&1
	echo "== migrations"
	$(PYTHON) manage.py makemigrations --check --dry-run
	echo "== types"
	$(VENV)/bin/mypy

bench: $(DEVELOPMENT) ## measure against the database's own limit, write bench/results.json
	@$(PYTHON) -m bench

fmt: $(DEVELOPMENT) ## format, and fix what can be fixed
	@$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: $(VENV)/bin/uv ## lock all versions with hashes after a change of the requirement files
	@lock() { $(VENV)/bin/uv pip compile -q --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" "$$@"; }
	lock requirements.txt -o requirements.lock
	lock requirements-dev.txt -c requirements.lock -o requirements-dev.lock

clean: ## forget the environment and everything in var/
	@rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Preparation ---------------------------------------------------------------------------------------------

$(PYTHON):
	@python=$$(command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
	if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
		echo "Python 3.11 or newer is needed, $$python is older."; exit 1
	fi
	if ! "$$python" -c 'import ensurepip' 2>/dev/null && test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then
		apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
	fi
	if "$$python" -c 'import ensurepip' 2>/dev/null; then "$$python" -m venv $(VENV)
	elif command -v uv >/dev/null; then uv venv -q --seed -p "$$python" $(VENV)
	else echo "Python's venv is missing: apt-get install python3-venv"; exit 1; fi

# uv installs in seconds what takes pip minutes; where it cannot be had, pip does it from the same lock.
$(VENV)/bin/uv: | $(PYTHON)
	@$(PYTHON) -m pip install -q --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null || true

$(RUNTIME): | $(VENV)/bin/uv
	@$(call install,requirements.lock)
	rm -f $(VENV)/.runtime-* && touch $@

$(DEVELOPMENT): $(RUNTIME)
	@$(call install,requirements-dev.lock)
	rm -f $(VENV)/.development-* && touch $@

# The machine's own certificates, where it has them, also know the proxy of a company.
CERTIFICATES := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),--system-certs)
define install
echo "Installing $(1) into $(VENV) ..."
$(VENV)/bin/uv $(CERTIFICATES) pip install -q --python $(PYTHON) --require-hashes -r $(1) 2>/dev/null \
	|| $(PYTHON) -m pip install -q --disable-pip-version-check --require-hashes -r $(1)
endef

browser:
	@if command -v chromium google-chrome >/dev/null || test -n "$${CHROMIUM:-}"; then exit 0; fi
	if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then
		echo "Installing Chromium for the browser tests ..."
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-liberation fonts-dejavu-core) \
			>/dev/null 2>&1 || echo "Chromium could not be installed: the browser tests are skipped."
	else
		echo "No Chromium: the browser tests are skipped. (apt-get install chromium)"
	fi
