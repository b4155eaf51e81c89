# Two commands: `make run` and `make test`. Both set up what is missing: a virtual environment in .venv and,
# on Debian as root, the few system packages that Qt loads. See README.md for Windows and macOS.

PYTHON ?= python3
MODEL ?=
DEMO ?= bitsmith-demo
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint bench screenshots sample translations system clean

help:
	@echo "make run [MODEL=file.onnx]  open the window (without a display: the demo, into $(DEMO)/)"
	@echo "make test                   run the tests"
	@echo "make lint                   ruff, mypy and the import contracts"
	@echo "make bench                  measure, side by side with peers (minutes)"
	@echo "make screenshots            take the pictures in resources/screenshots"
	@echo "make sample                 train the bundled sample again"
	@echo "make translations           bring the translations up to date with the sources"
	@echo "make clean                  remove what the other commands made, .venv included"

system:
	@PYTHON="$(PYTHON)" tools/setup.sh system

.venv/.installed-run: pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" tools/setup.sh run

.venv/.installed-dev: pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" tools/setup.sh dev

run: | system
run: .venv/.installed-run
	@tools/run.sh "$(DEMO)" $(if $(MODEL),"$(MODEL)")

test: | system
test: .venv/.installed-dev
	$(BIN)/python -m pytest

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed-dev
	@for name in startup latency transformer_latency calibration_memory decoder_conversion sensitivity; do \
		echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

screenshots: | system
screenshots: .venv/.installed-run
	$(BIN)/python main.py --pictures resources/screenshots --every-page

sample: .venv/.installed-dev
	$(BIN)/python tools/train_sample.py

translations: .venv/.installed-dev
	$(BIN)/python -m tools.translations

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache $(DEMO)
	find engine gui tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
