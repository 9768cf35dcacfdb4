# make help lists the targets. Every target works from a fresh clone.
PYTHON = .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup setup-host run test test-postgresql test-mariadb check stateful bench bench-scale chaos \
    zombies outages screenshots translations clean dev

help: ## List the targets
	@sed -n 's/^\([a-z -]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r name meaning; do printf '  make %-28s %s\n' "$$name" "$$meaning"; done

setup: ## Install what is missing: packages, virtual environment, assets
	@sh scripts/setup.sh

setup-host: ## The same for a machine that is only a host: without the dashboard
	@sh scripts/setup.sh host

run: setup ## Set up, then start the cloud on http://127.0.0.1:8774 (ARGS= for options)
	@exec .venv/bin/webcloud up $(ARGS)

dev:
	@sh scripts/setup.sh dev

test: dev ## Install what the tests need and run them all (ARGS= for pytest)
	$(PYTHON) -m pytest -n 3 $(ARGS)

test-postgresql test-mariadb: dev ## The same tests on that database, but guests and browser
	$(PYTHON) -m pytest -n 3 --database $(@:test-%=%) -m "not guests and not browser" $(ARGS)

check: dev ## Lint, format, types, import rules, coverage of every file
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	rm -rf tests/artefacts/coverage && mkdir -p tests/artefacts/coverage
	chmod 1777 tests/artefacts/coverage
	$(PYTHON) -m coverage run -m pytest -q -n 3 $(ARGS)
	$(PYTHON) -m coverage combine -q
	$(PYTHON) scripts/coverage_per_file.py

stateful: dev ## Try a cloud at random against its model (ARGS="--seconds 600 --seed 1")
	$(PYTHON) -m tests.stateful $(ARGS)

bench: dev ## Measure against the promised figures: a table, and a JSON line each
	$(PYTHON) -m benchmarks $(ARGS)

bench-scale: dev ## The figures of a fleet: 500 agents, creates and steps per second
	$(PYTHON) -m benchmarks steps steps_postgresql take_over placement connected creating

chaos: dev ## Kill, freeze and cut parts of a busy cloud (ARGS= --kills 1000 --database ...)
	$(PYTHON) -m tests.chaos $(ARGS)

zombies: dev ## Let frozen workers and agents come back too late (ARGS= --trials 200)
	$(PYTHON) -m tests.chaos.zombies $(ARGS)

outages: dev ## Crash database servers under load, long (RESTARTS=100, ARGS=)
	OUTAGE_RESTARTS=$(or $(RESTARTS),100) $(PYTHON) -m pytest -s tests/outages/test_restarted_servers.py $(ARGS)

screenshots: dev ## Picture every page, both themes and languages, into tests/artefacts
	$(PYTHON) -m tests.browser.screenshots $(ARGS)

translations: dev ## Collect the texts of templates and code into the .po files
	.venv/bin/pybabel -q extract -F babel.cfg -k mark -k say --no-location --sort-output \
	    --project=webcloud -o webcloud/translations/messages.pot .
	.venv/bin/pybabel -q update --ignore-obsolete --ignore-pot-creation-date \
	    --no-fuzzy-matching --width 100 -i webcloud/translations/messages.pot -d webcloud/translations
	rm webcloud/translations/messages.pot

clean: ## Remove everything that setup and the tests made inside the checkout
	rm -rf .venv node_modules webcloud/static/vendor tests/artefacts build dist .coverage*
