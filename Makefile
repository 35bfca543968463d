# `make demo` and `make test` set up all that they need; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PORT ?= 8000

# The CPU build of torch stands on an index of its own. It is added where it answers; elsewhere
# pip takes what its configured index has.
CPU_INDEX := https://download.pytorch.org/whl/cpu
EXTRA_INDEX = $$($(BIN)/python -c "import urllib.request as u; u.urlopen('$(CPU_INDEX)/torch/', timeout=5)" \
	2>/dev/null && echo --extra-index-url $(CPU_INDEX))
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Every package by its hashes. torch and torchvision have other files on every index, and go by
# their versions.
LOCKED = $(PIP_INSTALL) --require-hashes --no-deps -r requirements/
TORCH = $(PIP_INSTALL) $(EXTRA_INDEX) -c constraints.txt torch torchvision
# OpenCV's usual build needs the libraries of a screen (libGL). A machine without them gets the
# headless build of the same version, which is the same module.
HEADLESS = $(LOCKED)headless.txt --force-reinstall

.PHONY: help setup lock audit sbom mutants coverage fuzz fuzz-server kill soak demo serve test test-deploy test-ray check lint types openapi schemathesis foreign-clients format bench bench-peers train-fcn clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

.venv/.base: pyproject.toml constraints.txt requirements/base.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	@echo "Installing Trackline and its pinned dependencies into .venv (about 2 GB on disk) …"
	$(LOCKED)base.txt
	$(TORCH)
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@$(BIN)/python -c "import cv2" 2>/dev/null || $(HEADLESS)
	@touch $@

.venv/.dev: .venv/.base requirements/dev.txt
	$(LOCKED)dev.txt
	@touch $@

.venv/.weights: .venv/.base models/catalog.toml
	$(BIN)/trackline models pull yolo26n sample-car-video
	@$(BIN)/trackline models pull osnet-x0.25 2>/dev/null || echo "OSNet cannot be reached from here:" \
		"people are told apart by colour, which is weaker. README.md says how to add it."
	@touch $@

.venv/.test-weights: .venv/.weights
	$(BIN)/trackline models pull yolo11n yolov8n yolov10n yolo26n-seg mobilenet \
		deeplabv3-mobilenet
	@touch $@

setup: .venv/.base .venv/.weights ## environment and weights

demo: setup ## find objects in a photograph, follow them through a video, over HTTP
	$(BIN)/python -m service.demo

serve: setup ## leave a server running, its page at http://127.0.0.1:8000
	$(BIN)/trackline serve --port $(PORT)

test: .venv/.dev .venv/.test-weights ## all tests
	$(BIN)/python -m pytest

test-deploy: .venv/.dev .venv/.test-weights ## build the image and bring the compose file up, for real
	$(BIN)/python -m pytest -m deploy tests/deploy

# Ray opens ports on every network that it finds, so it gets one with the loopback alone. Root keeps
# the other accounts: PostgreSQL does not run as root.
LONELY = unshare --net $(if $(filter-out 0,$(shell id -u)),--map-current-user --keep-caps)
test-ray: .venv/.dev .venv/.test-weights ## a cluster of a head and two workers, one of them killed
	$(LOCKED)ray.txt
	$(LONELY) sh -c 'ip link set lo up && exec $(BIN)/python -m pytest -m ray -o junit_family=xunit1 --junitxml=out/test-ray.xml tests/cluster'
	@grep -o '<property [^>]*>' out/test-ray.xml

.venv-audit/.installed: requirements/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# What is in base.txt already is left out of the sets that stand on it.
COMPILE = .venv-audit/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header -c constraints.txt
EXTRAS = dev otel postgresql ray timm
lock: .venv-audit/.installed ## write the hashes of all packages anew, from pyproject.toml and constraints.txt
	$(COMPILE) requirements/audit.in -o requirements/audit.txt
	$(COMPILE) requirements/headless.in -o requirements/headless.txt --no-deps
	rm -f $(EXTRAS:%=requirements/%.txt)
	for set in base $(EXTRAS); do \
		$(COMPILE) pyproject.toml $$([ $$set = base ] || echo --extra $$set) -o requirements/$$set.txt \
			--excludes requirements/excluded.txt --no-emit-package torch --no-emit-package torchvision \
			$$([ $$set = base ] || sed -nE 's/^([a-zA-Z0-9._-]+)==.*/--no-emit-package \1/p' requirements/base.txt) \
			|| exit; \
	done

audit: .venv-audit/.installed ## look for known holes in the packages; needs the network
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes \
		$(patsubst %,-r requirements/%.txt,base $(EXTRAS))

sbom: .venv-audit/.installed .venv/.base ## write out/trackline.cdx.json, a list of what is installed
	@mkdir -p out
	.venv-audit/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml \
		--output-reproducible --output-file out/trackline.cdx.json

mutants: .venv/.dev ## how many small mistakes in tracker and box geometry the tests find
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.mutants --json docs/mutants.json

coverage: .venv/.dev .venv/.test-weights ## the tests, and which branches of the code they take
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

# For Linux on x86-64 alone, so it is not among the packages of the tests.
fuzz: .venv/.dev ## look for inputs that break a parser, a minute for each
	$(PIP_INSTALL) atheris==3.0.0
	$(BIN)/python -m tests.fuzz

fuzz-server: .venv/.dev ## five thousand damaged pictures and videos through a real server
	$(BIN)/python -m benchmarks.fuzz_server

kill: .venv/.dev ## kill a server fifty times in the middle of its work
	$(BIN)/python -m benchmarks.kill

# Nothing else should run on the machine.
soak: setup ## half an hour at twice the capacity; docs/reliability.md
	$(BIN)/python -m benchmarks.soak

schemathesis: .venv/.dev ## try the API with many more requests than the tests do
	SCHEMATHESIS_EXAMPLES=100 $(BIN)/python -m pytest tests/service/test_schemathesis.py

# Their pins contradict those of Trackline.
.venv-clients/.installed:
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check \
		'tritonclient[http]==2.73.0' deepstack-python==0.9 pillow requests
	@touch $@

foreign-clients: .venv/.dev .venv-clients/.installed ## try clients of KServe and DeepStack, in an environment of their own
	$(BIN)/python -m pytest tests/service/test_foreign_clients.py

openapi: .venv/.base ## write docs/openapi.json anew
	$(BIN)/trackline openapi -o docs/openapi.json

check: lint types test ## lint, types and tests

# MOT_DIR=DIR adds the rows of PETS09-S2L1.
bench: setup .venv-service-peers/.installed ## the whole way beside others, then its parts, in 20 minutes
	@mkdir -p out
	$(BIN)/trackline bench service $(if $(MOT_DIR),--mot-dir $(MOT_DIR)) --json out/service.json
	$(BIN)/trackline bench runtime
	$(BIN)/trackline bench nms
	$(BIN)/trackline bench sliding-window
	$(BIN)/trackline bench tracker

.venv-service-peers/.installed: benchmarks/install_service_peers.sh constraints.txt .venv/.base
	PYTHON=$(BIN)/python benchmarks/install_service_peers.sh $(EXTRA_INDEX)
	@touch $@

.venv-peers/.installed: benchmarks/install_peers.sh .venv/.base
	PYTHON=$(BIN)/python benchmarks/install_peers.sh
	@touch $@

# MOT_DIR=DIR adds accuracy on the sequences there to the speed.
bench-peers: .venv-peers/.installed ## the tracker beside those of others, in an environment of their own
	$(BIN)/trackline bench peers $(if $(MOT_DIR),--mot-dir $(MOT_DIR))

train-fcn: setup ## make the shipped FCN weights again, an hour; docs/training.md
	$(BIN)/python -m benchmarks.train_fcn --work runs/shipped --install

format: .venv/.dev ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environments and what was written
	rm -rf .venv .venv-audit .venv-clients .venv-peers .venv-service-peers out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .coverage
