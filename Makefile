# `make` lists what can be made. Everything runs in .venv, which `make` sets up by itself.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
NOTEBOOKS ?= book
TORCH ?= 2.13.0
TESTS := -m pytest --nbval -n 2 --dist loadscope --ignore=tests/site

.DEFAULT_GOAL := help
.PHONY: help book test test-studies test-long test-oldest serve lab refresh other-seeds stills pdf test-site lighthouse bench clean

help:
	@echo "make book         build the site in _build/html (the first time this installs everything into .venv)"
	@echo "make test         unit tests, every chapter run again and compared, the repository's own checks"
	@echo "make test-studies every study run again and compared"
	@echo "make test-long    the unit tests with many more random examples"
	@echo "make test-oldest  the tests with the oldest packages allowed, in .venv-oldest (TORCH=2.6.0 for its torch)"
	@echo "make serve        the site on http://127.0.0.1:8000 (PORT=... for another port)"
	@echo "make lab          open the notebooks in JupyterLab"
	@echo "make refresh      run the notebooks and save their outputs (NOTEBOOKS=book/01_sequence_models.ipynb for one)"
	@echo "make other-seeds  run the notebooks that changed with other seeds: what they assert must hold (NOTEBOOKS=...)"
	@echo "make stills       draw the figures that a page shows without JavaScript (in Chromium)"
	@echo "make pdf          the whole book as _build/html/d2lrnn.pdf, printed by Chromium"
	@echo "make test-site    drive the built site in Chromium"
	@echo "make lighthouse   measure the built site as a phone sees it (needs Node 18.20 or newer with npx, and Chromium)"
	@echo "make bench        measure what the book claims about speed, in ten minutes"
	@echo "make clean        remove what was built (.venv and .venv-oldest stay)"
	@echo "PYTHON=python3.12 chooses the Python that .venv is made with."

# The stamp is newer than both files as long as nothing has to be installed.
$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "d2lrnn needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
	  echo "Choose another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { \
	  echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# After a failed build the page cache goes: otherwise a second run would not repeat its warnings.
book: $(INSTALLED)
	@$(BIN)/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }
	@echo "Open _build/html/index.html"

test: $(INSTALLED)
	$(BIN)/python $(TESTS) --ignore=book/studies tests book

test-studies: $(INSTALLED)
	$(BIN)/python $(TESTS) book/studies

# Laws that hold for all inputs, tried on forty times as many and on other ones each time.
test-long: $(INSTALLED)
	$(BIN)/python $(TESTS) --hypothesis-profile=long tests

# Older torch wheels bring gigabytes of CUDA libraries, hence the torch of requirements.txt, unless TORCH= says another.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c tests/oldest.txt torch==$(TORCH) \
	  -e . ipykernel ipython nbval pytest pytest-xdist hypothesis sacrebleu ruff
	.venv-oldest/bin/python $(TESTS) tests book

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(or $(PORT),8000)

lab: $(INSTALLED)
	$(BIN)/jupyter lab book

refresh: $(INSTALLED)
	$(BIN)/python tools/refresh.py $(NOTEBOOKS)

other-seeds: $(INSTALLED)
	$(BIN)/python tools/other_seeds.py $(filter-out book,$(NOTEBOOKS))

stills: book
	$(BIN)/python tools/stills.py

pdf: book
	$(BIN)/python tools/make_pdf.py

test-site: book
	$(BIN)/python -m pytest -m "site and not timed" -n 2 --timeout 300 tests/site
	$(BIN)/python -m pytest -m "site and timed" --timeout 300 tests/site

lighthouse: book
	$(BIN)/python benchmarks/bench_site.py

# Without bench_notebooks.py, which runs every chapter and takes as long as all the others, and without bench_site.py,
# which is `make lighthouse`.
bench: $(INSTALLED)
	@for script in $(filter-out %/bench_notebooks.py %/bench_site.py,$(wildcard benchmarks/bench_*.py)); do \
	  OMP_NUM_THREADS=1 $(BIN)/python $$script || exit 1; done

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
