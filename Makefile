# Two commands do everything: `make demo` and `make test`. Both install what they need first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The address of an index that PyTorch alone is taken from; without it, it comes from where all else does
TORCH_INDEX ?=
NEW_ENOUGH := import sys; sys.version_info >= (3, 11) or \
	sys.exit("Python 3.11 or newer is needed, this is %s. Try: make PYTHON=python3.12 ..." % sys.version.split()[0])

define WHAT_COMES
@echo "This downloads some $(1), PyTorch about half of it, and may take minutes. pip shows how far it is."
$(if $(TORCH_INDEX),,@sh scripts/torch.sh "make $(2)")
endef
PIP_INSTALL = $(BIN)/python -m pip install --constraint constraints.txt
TORCH_FIRST = $(if $(TORCH_INDEX),$(PIP_INSTALL) --index-url "$(TORCH_INDEX)" torch)

.PHONY: help learn install demo check test test-fast test-long lint release quality mutation memory fuzz benchmark terminal grading scale compatibility train site site-size pictures clean

help:
	@echo "make learn     install what a learner needs, and make my-backprop/ to work in"
	@echo "make demo      install, then grade a class on two assignments and show the marks"
	@echo "make test      install, then run the whole test suite"
	@echo "make test-long what make test shows for one case, for all of them: on stock nbgrader, in each way"
	@echo "make test-fast all tests that need no room, server or browser, in two minutes"
	@echo "make install   the environment, in $(VENV)"
	@echo "make lint      check the course's content"
	@echo "make release   make release/ from source/"
	@echo "make site      make the pages of docs/ and of all notebooks, with what the notebooks show, in site/"
	@echo "make site-size write docs/site.md: how long the site takes, and how large it is"
	@echo "make pictures  take the two pictures of the README from the site"
	@echo "make quality   write docs/quality.md"
	@echo "make mutation  write docs/mutation.md"
	@echo "make memory    grade each of the suite's notebooks that use up the memory ten times: the same marks"
	@echo "make fuzz      try changed messages and changed notebooks, five minutes each: the decoder and what reads notebooks"
	@echo "make benchmark write docs/speed.md"
	@echo "make terminal  write docs/terminal.md: a new learner's first minutes, and the speed of autograder watch"
	@echo "make grading   write docs/grading.md: the speed of grading beside stock nbgrader"
	@echo "make scale     write docs/scale.md: a thousand submissions, and a projection; half an hour"
	@echo "make compatibility  run nbgrader's own tests of autograding with our preprocessors"
	@echo "make train     write docs/training.md: train with the model answers, for 200,000 steps in part 4"
	@echo "make clean     remove what these commands made"

install: $(VENV)/installed

learn: $(VENV)/learner
	@[ -d my-backprop ] || $(BIN)/autograder new my-backprop --assignment backprop >/dev/null
	@echo "To work:               $(BIN)/jupyter lab my-backprop"
	@echo "In a second terminal:  $(BIN)/autograder watch"

$(VENV)/learner: pyproject.toml constraints.txt
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	$(call WHAT_COMES,300 MB,learn)
	$(PYTHON) -m venv $(VENV)
	$(TORCH_FIRST)
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	$(call WHAT_COMES,400 MB,install)
	$(PYTHON) -m venv $(VENV)
	$(TORCH_FIRST)
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

demo: install
	@sh scripts/system.sh bwrap
	$(BIN)/python -m scripts.demo

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	@sh scripts/system.sh bwrap chromium initdb
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: check
	@sh scripts/system.sh bwrap chromium initdb slurmctld slurmd
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder -m long

test-fast: check
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not system and not slow and not long"

lint: install
	$(BIN)/autograder lint

release: install
	for each in source/*/; do $(BIN)/nbgrader generate_assignment "$$(basename "$$each")" --force || exit 1; done

site: install
	$(BIN)/python -m scripts.build_site
	@echo "The site is in site/: open site/index.html, or serve the folder from any host."

site-size: install
	$(BIN)/python -m benchmarks.site

pictures: site
	@sh scripts/system.sh chromium
	$(BIN)/python -m scripts.pictures

quality: install
	$(BIN)/python -m benchmarks.quality

mutation: install
	$(BIN)/python -m benchmarks.mutation

memory: install
	@sh scripts/system.sh bwrap
	TIMES=10 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/examiner/test_memory.py tests/grading/test_memory.py

fuzz: install
	$(BIN)/python -m benchmarks.fuzz

benchmark: install
	$(BIN)/python -m benchmarks.check_speed

terminal: install
	@sh scripts/system.sh bwrap
	$(BIN)/python -m benchmarks.terminal

grading: install
	@sh scripts/system.sh bwrap
	$(BIN)/python -m benchmarks.grading

scale: install
	@sh scripts/system.sh bwrap
	$(BIN)/python -m benchmarks.scale

compatibility: install
	@sh scripts/system.sh bwrap
	$(BIN)/python -m benchmarks.compatibility

train: install
	$(BIN)/python -m benchmarks.train

clean:
	rm -rf $(VENV) demo-course site docs/_build docs/course docs/figures build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
