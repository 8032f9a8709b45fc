# An open smart meter gateway. `make` lists what there is; `make run` shows it.
#
# Whatever Python installs goes into .venv. The stamps in it say what is installed, so that a second run installs nothing.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

BIN := .venv/bin
RUN := .venv/.installed-run
PCSC := .venv/.installed-pcsc
DEV := .venv/.installed-dev
GENERATED := docs/phases.md docs/phases.svg

# One worker more than there are cores, for tests wait for disks, daemons and browsers. Beyond a few they only wait for
# one another: each starts a PostgreSQL and Chromiums of its own.
WORKERS ?= $(shell workers=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); echo $$((workers < 4 ? workers : 4)))
ARGS ?=
EXIT ?=
LIFE ?=
MODULE ?=

PYTEST = $(BIN)/python -m pytest
PARALLEL = -n $(WORKERS) --dist worksteal --benchmark-disable

.PHONY: help run test lint format types contracts docs docs-check prove bench campaign fuzz debian lock clean

help: ## List these targets
	@echo "An open smart meter gateway (BSI TR-03109)."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r target text; do \
		printf '  make %-11s %s\n' "$$target" "$$text"; done
	@echo
	@echo "  make run EXIT=1         the life only, then end"
	@echo "  make run MODULE=pcsc    with security modules in virtual readers of a real PC/SC daemon"
	@echo "  make run LIFE='...'     options for smgw life, such as LIFE='--port 8080'"
	@echo "  make test ARGS='...'    options for pytest, such as ARGS='-k law'; the same for campaign and bench"
	@echo "  make fuzz ARGS='...'    such as ARGS='--target wmbus --seed 2'; a fault says how to repeat it"

$(RUN): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh run
	@touch $@

$(PCSC): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh pcsc
	@touch $(RUN) $@

# The one for development holds the one for running, so both stamps are set: `make run` then installs nothing.
$(DEV): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh dev
	@touch $(RUN) $@

run: $(if $(filter pcsc,$(MODULE)),$(PCSC),$(RUN)) ## Install, live a gateway's whole life, then serve record and consumer's page (EXIT=1: end instead)
	@$(BIN)/smgw life $(if $(MODULE),--module $(MODULE)) $(if $(filter-out 0 no false,$(EXIT)),--exit) $(LIFE)

test: $(DEV) debian ## Install and run every test (campaigns at a tenth of their counts)
	@$(PYTEST) $(PARALLEL) $(ARGS)

campaign: $(DEV) debian ## Run the campaigns with their full counts; the report is reports/campaign.md
	@SMGW_CAMPAIGN_SCALE=$${SMGW_CAMPAIGN_SCALE:-1.0} $(PYTEST) $(PARALLEL) -m campaign $(ARGS)

fuzz: $(DEV) ## Feed each interface that takes bytes 100,000 hostile inputs; the report is reports/fuzz.md
	@$(BIN)/python -m fuzz $(ARGS)

bench: $(DEV) debian ## Take the ratios; the report is reports/bench.md
	@$(PYTEST) bench -o python_files='bench_*.py' -o python_functions='test_* bench_*' -p no:xdist \
		--benchmark-disable-gc --benchmark-sort=name --benchmark-columns=min,median,iqr,ops,rounds $(ARGS)

lint: $(DEV) ## Check style and formatting (ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(DEV) ## Let ruff put style and formatting right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(DEV) ## Check types (mypy --strict)
	@$(BIN)/mypy

contracts: $(DEV) ## Check who imports whom (import-linter)
	@$(BIN)/lint-imports --cache-dir .import_linter_cache

docs: $(DEV) ## Write the pages and diagrams that are generated from the law
	@mkdir -p docs
	@for page in $(GENERATED); do \
		case $$page in *.md) format=markdown ;; *) format=$${page##*.} ;; esac; \
		$(BIN)/smgw phases --format $$format >$$page.new || { rm -f $$page.new; exit 1; }; \
		mv $$page.new $$page; echo "$$page"; done

docs-check: $(DEV) ## Check that those pages say what the law says
	@scratch=$$(mktemp) || exit 1; trap 'rm -f "$$scratch"' EXIT; \
	for page in $(GENERATED); do \
		case $$page in *.md) format=markdown ;; *) format=$${page##*.} ;; esac; \
		$(BIN)/smgw phases --format $$format >"$$scratch" || exit 1; \
		diff -u "$$page" "$$scratch" >"$$scratch.diff" || { head -n 40 "$$scratch.diff"; rm -f "$$scratch.diff"; \
			echo "$$page is not what the law says now (- the page, + the law): make docs, then commit it"; exit 1; }; \
		rm -f "$$scratch.diff"; echo "$$page is what the law says"; done

prove: $(DEV) debian ## Prove the law's properties, and have Spin prove the generated model too
	@$(BIN)/smgw prove --with spin

debian: ## Install the Debian packages that the tests drive, where they are missing
	@sh tools/setup.sh debian

lock: ## Refresh constraints.txt with the newest releases that pyproject.toml admits
	@sh tools/setup.sh lock

clean: ## Remove .venv, caches and reports (never a record)
	@rm -rf .venv build dist reports ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache .benchmarks .schemathesis
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
