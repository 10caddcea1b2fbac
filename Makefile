# The commands of this project. Each sets up what it needs; all are safe to repeat and to interrupt.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# one thread each: small tensors gain nothing from two, and on a busy machine threads that wait for each other cost minutes
demo test test-full check bench site: export OMP_NUM_THREADS := 1

.PHONY: help setup demo test test-full check lab bench build site clean

help:
	@echo "make demo       build, release and grade a small class with stock nbgrader, and print the table of points"
	@echo "make test       run the tests        make check      lint and the fast tests"
	@echo "make test-full  run everything that takes longer: full trainings, 1,000 grading seeds"
	@echo "make lab        open JupyterLab on the student notebooks"
	@echo "make build      make notebooks/ and helpers/keys/ from solutions/"
	@echo "make bench      print the benchmark table"
	@echo "make site       write the course's site into dist/site/: notebooks, guides, gallery of mistakes, API"

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo 'not there')."; \
		echo "If you have it under another name: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV): torch, JupyterLab, nbgrader. The first time this takes some minutes (torch is large)."
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make $(VENV). Is there room on the disk? On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[dev]' || { \
		echo "pip could not install the packages. Is there a network, and 7 GB of disk? Behind a proxy: export HTTPS_PROXY=http://host:port first."; \
		echo "'make setup' goes on where it stopped."; exit 1; }
	@touch $@
	@echo "Set up."

demo: $(READY)
	@$(RUN) -m autograder demo

test: $(READY)
	@$(RUN) -m pytest -n 2 -m "not full"

test-full: $(READY)
	@$(RUN) -m pytest -n 2

check: $(READY)
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m pytest -n 2 -m "not full and not slow"

lab: $(READY)
	@$(RUN) -m jupyter lab --LabApp.default_url=/lab/tree/notebooks

build: $(READY)
	@$(RUN) -m autograder build

bench: $(READY)
	@$(RUN) -m autograder bench

$(VENV)/.site: $(READY)
	@echo "Setting up Sphinx, with which the site is built."
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[site]' || { \
		echo "pip could not install Sphinx. Is there a network? 'make site' goes on where it stopped."; exit 1; }
	@touch $@

site: $(VENV)/.site
	@$(RUN) -m autograder site

clean:
	rm -rf source submitted autograded feedback reports releases .verdicts demo-course dist built-solutions gradebook.db
