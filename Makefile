# Two commands set everything up on a bare Debian 12: `make run` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
WORKERS ?= 3

STATION_PACKAGES := python3-venv libportaudio2 espeak-ng alsa-utils libgl1 libegl1 libgles2 libglib2.0-0
TEST_PACKAGES := pulseaudio pulseaudio-utils libasound2-plugins mariadb-server-core mariadb-client-core mosquitto sqlite3 chromium xvfb xdotool systemd

.PHONY: run setup test tests check style types lock models trunk screenshots docs clean audit soak bench fuzz compare

run: setup ## set up what is missing and start the station; without camera and microphone it plays the demo scene
	@$(BIN)/safety-monitor run --demo-without-devices $(ARGS)

setup: .venv/station ## everything the station needs; ends with .venv/bin/safety-monitor ready
	@$(BIN)/python -m models.hand_landmarker >/dev/null # each user has a cache of their own

.venv/system: Makefile
	scripts/debian-packages $(STATION_PACKAGES)
	$(PYTHON) -m venv .venv
	@touch $@

.venv/station: .venv/system requirements.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m models.hand_landmarker
	@touch $@

.venv/test: .venv/station requirements-test.txt Makefile
	scripts/debian-packages $(TEST_PACKAGES)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements-test.txt
	@touch $@

check: style types ## style and types

style: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/test
	$(BIN)/mypy

test: style ## all checks and all tests, these in WORKERS processes; 0: in one
	$(MAKE) --no-print-directory --jobs 2 types tests

# Some machines forbid Python to keep what it has compiled: then every worker and every station that a test starts would
# compile all that it imports anew.
tests: export PYTHONDONTWRITEBYTECODE =
# Tests wait a lot, for what they start and for time to pass: on two cores three workers are sooner done than two.
# They share the cores: a product of small matrices that waits for a thread on another one takes 150 times as long.
tests: export OPENBLAS_NUM_THREADS = 1
tests: .venv/test
	$(BIN)/pytest --numprocesses $(WORKERS) --no-loadscope-reorder --durations 20 $(ARGS)

LOCK := $(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: .venv/test ## the locked sets, made anew from pyproject.toml
	$(LOCK) --upgrade --output-file requirements.txt pyproject.toml
	$(LOCK) --extra train --extra dask --extra test --extra mongodb --extra firebase --extra geocoding \
		--constraint requirements.txt --output-file requirements-test.txt pyproject.toml

models: .venv/test ## train what ships anew from $(DATA), but for the trunk that hears; about an hour on two cores, with 8.7 GB of downloads
	$(BIN)/python -m audio.package_sounds --out .cache/hearing/package-sounds
	$(BIN)/python -m audio.train --data $(DATA)/audio --further .cache/hearing/package-sounds
	$(BIN)/python -m gesture.prepare $(DATA)
	$(BIN)/python -m safety_monitor.demo.thumbs
	$(BIN)/python -m gesture.train signs motions

trunk: .venv/test ## train the trunk anew, on a machine with a GPU: docs/training.md; then make models
	$(BIN)/python -m audio.package_sounds --out .cache/hearing/package-sounds
	$(BIN)/python -m audio.train_trunk --data $(DATA)/audio --further .cache/hearing/package-sounds \
		--teacher $(DATA)/reference/yamnet/yamnet.tflite --out models/scream/trunk.tflite

screenshots: .venv/test ## pictures of every page, in docs/screenshots
	$(BIN)/python -m tests.screenshots docs/screenshots

SCORES := .cache/hearing/scream-sources-left-out.csv

compare: .venv/test ## docs/models.md: every published approach on $(DATA), judged by sources left out; hours, goes on where it stopped; after make models also what ships
	$(BIN)/safety-monitor compare --folds 3 --epochs 8 --data $(DATA)/audio \
		--teacher $(DATA)/reference/yamnet/yamnet.tflite $(addprefix --scores scream=,$(wildcard $(SCORES))) \
		--page docs/models.md $(ARGS)

docs: .venv/station ## the pages that the program writes itself
	$(BIN)/safety-monitor settings | scripts/fill-block docs/settings.md

audit: .venv/test ## known weaknesses and licences of what is installed; without a network it says so and goes on
	scripts/audit $(BIN)/pip-audit
	$(BIN)/safety-monitor licences

soak: .venv/test ## hours of scene time: does anything grow, get lost, or alarm for nothing? MINUTES=30
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

fuzz: .venv/test ## thousands of damaged inputs for every parser; COUNT=3000 of each
	$(BIN)/python -m benchmarks.fuzz --count $(or $(COUNT),3000)

bench: .venv/test ## every benchmark, written to docs/performance.md
	$(BIN)/python -m benchmarks.performance --data $(DATA)

clean: ## forget the virtual environment; recordings, journal and models of the station stay
	rm -rf .venv
