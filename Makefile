# Each target is a thin rule over ./orrery, which makes its own environment. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help list graph plan review deploy drift data run dashboard check drill drills failover destroy up down reset status logs doctor module docs bench lock mistakes \
        test test-unit test-bash test-modules test-e2e seeds scan lint fmt clean

STACK ?=
DATA ?=
EXPERIMENT ?=
EXERCISE ?=
SET ?=
SEED ?= 1
SEEDS ?=
HURRY ?= 10
SERVICE ?=
MODULE ?=
OUTPUT ?=
SARIF ?=
JUNIT ?=
PLANT ?=
REGION ?=
BACK ?=
DRY_RUN ?=
PYTEST_ARGS ?=
export DATA SET SEED TARGET YES VERBOSE ALL BASE SARIF JUNIT REGION BACK DRY_RUN

ORRERY := ./orrery
# The environments lie where ORRERY_STATE says, so the command line is asked for them.
TEST = "$$($(ORRERY) env test)" -P -m pytest
LINT = "$$(dirname "$$($(ORRERY) env lint)")"

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

list: ## all forty stacks
	@$(ORRERY) list
graph: ## STACK=… [OUTPUT=file]: draw the architecture of a stack as SVG
	@$(ORRERY) graph "$(STACK)" $(if $(OUTPUT),--output "$(OUTPUT)")
plan: ## STACK=… (or ALL=1) [SET="a=b c=d"]: what AWS would get, and a review of what that changes against the base; no account
	@$(ORRERY) plan $(STACK)
	@$(ORRERY) review $(STACK)
review: ## [ALL=1] [BASE=branch]: the same for all stacks that differ from the base branch
	@$(ORRERY) review
deploy: ## STACK=… [SET="a=b c=d"] [TARGET=aws] [YES=1]: deploy, prove that it works, say what to try next
	@$(ORRERY) deploy "$(STACK)"
drift: ## STACK=… [TARGET=aws]: what was changed behind Terraform's back
	@$(ORRERY) drift "$(STACK)"
data: ## STACK=…: download its public data, where a command can; goes on where it stopped
	@$(ORRERY) data "$(STACK)"
run: ## STACK=… [DATA=file]: send data through the deployed stack
	@$(ORRERY) run "$(STACK)"
dashboard: ## STACK=… [OUTPUT=file] [TARGET=aws]: one HTML page with charts of what the deployed stack holds
	@$(ORRERY) dashboard "$(STACK)" $(if $(OUTPUT),--output "$(OUTPUT)")
check: ## STACK=… EXERCISE=…: whether an exercise of its README is solved, and why not
	@$(ORRERY) check "$(STACK)" "$(EXERCISE)"
drill: ## STACK=… [EXPERIMENT=…] [SEED=1] [TARGET=aws]: break it while clients use it, and measure what they noticed
	@$(ORRERY) drill "$(STACK)" $(EXPERIMENT)
drills: ## STACK=… [SEEDS=10] [HURRY=10]: every experiment with so many seeds, shuffled, all times divided; a table at the end
	@$(ORRERY) drill "$(STACK)" --all --seeds "$(or $(SEEDS),10)" --hurry "$(HURRY)"
failover: ## STACK=… REGION=… [BACK=1] [DRY_RUN=1] [TARGET=aws]: give a lost region up, or take it back, step by step
	@$(ORRERY) failover "$(STACK)"
destroy: ## STACK=…: remove the stack and all that it holds
	@$(ORRERY) destroy "$(STACK)"
up: ## [SERVICE=…]: start the local cloud
	@$(ORRERY) up $(SERVICE)
down: ## [SERVICE=…]: stop the local cloud; its data stays
	@$(ORRERY) down $(SERVICE)
reset: ## throw the local cloud away: its data and all local states
	@$(ORRERY) reset
status: ## the services of the local cloud
	@$(ORRERY) status
logs: ## SERVICE=…: the end of a service's log
	@$(ORRERY) logs "$(SERVICE)"
doctor: ## what this machine lacks
	@$(ORRERY) doctor
module: ## [MODULE=…]: a module's variables and outputs
	@$(ORRERY) module $(MODULE)
docs: ## [STACK=…]: write the generated parts of the documentation; of a deployed dbt stack, its site
	@$(ORRERY) docs $(STACK)

test: ## everything: unit, shell scripts, modules, end to end
	@$(MAKE) --no-print-directory test-unit test-bash test-modules test-e2e
test-unit: ## fast tests, no services, no terraform
	$(TEST) -m "not e2e and not terraform" -n 2 --cov --cov-report=term $(PYTEST_ARGS)
test-bash: ## the stacks' shell scripts, with bats
	scripts/bats.sh stacks/*/tests/*.bats
test-modules: ## the Terraform modules: validations, examples, inventories
	$(TEST) -m terraform -n 2 --dist loadgroup $(PYTEST_ARGS)
test-e2e: ## stacks and services, on two local clouds of their own
	@$(ORRERY) env local >/dev/null
	@scripts/install_debian.sh "a browser" "google-chrome chromium chromium-browser" chromium fonts-liberation
	@scripts/install_debian.sh "Java 17" "/usr/lib/jvm/*17*/bin/java" openjdk-17-jre-headless
	@scripts/install_debian.sh "MariaDB" "mariadbd /usr/sbin/mariadbd" mariadb-server-core mariadb-client-core
	$(TEST) -m e2e -n 2 --dist loadgroup $(PYTEST_ARGS)
seeds: ## STACK=… [SEEDS=20]: its end-to-end tests that break it at random moments, with so many seeds
	@$(ORRERY) env local >/dev/null
	$(TEST) -m "e2e and seeds" --seeds "$(or $(SEEDS),20)" "stacks/$(STACK)/tests" $(PYTEST_ARGS)
scan: ## [SARIF=file] [JUNIT=file]: policies over modules, synthesised stacks and plans
	@$(ORRERY) scan
mistakes: ## [PLANT="--all"]: plant mistakes in copies of modules and stacks; each must be found
	@$(ORRERY) env scan >/dev/null
	"$$($(ORRERY) env test)" -P scripts/plant_mistakes.py $(PLANT)
lint: ## ruff, mypy, terraform fmt, shellcheck, compatibility of topics' schemas, stale documentation
	$(LINT)/ruff check .
	$(LINT)/ruff format --check .
	$(LINT)/mypy
	$(ORRERY) terraform fmt -check -recursive modules
	$(ORRERY) terraform fmt -check -recursive infra/policies
	$(LINT)/shellcheck orrery .ci/run scripts/*.sh stacks/*/bin/* stacks/*/tests/*.bats
	$(LINT)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@shopt -s nullglob; for each in stacks/*/schemas/*.json stacks/signals/*/schemas/*.json; do $(LINT)/check-jsonschema --check-metaschema "$$each" || exit; done
	@$(ORRERY) schemas
	@$(ORRERY) docs --check
fmt: ## format Python and Terraform
	$(LINT)/ruff check --fix .
	$(LINT)/ruff format .
	$(ORRERY) terraform fmt -recursive modules
	$(ORRERY) terraform fmt -recursive infra/policies
bench: ## measure the budgets and write docs/benchmarks.md
	@$(ORRERY) env engine >/dev/null
	"$$($(ORRERY) env bench)" -P scripts/bench_meteor.py
	.venv/bin/python -P scripts/bench_loop.py
	.venv/bin/python -P scripts/bench_review.py
	@$(ORRERY) env local >/dev/null
	.venv/bin/python -P scripts/bench_faults.py
	"$$($(ORRERY) env test)" -P scripts/bench_comet.py
lock: ## lock every requirements/*.in and lambdas/*/requirements.in again
	@$(ORRERY) lock
clean: ## remove environments and caches; the local cloud's data and all states stay
	@if [ -d .orrery/local ]; then $(ORRERY) down; fi
	rm -rf .venv .orrery/envs .orrery/cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
