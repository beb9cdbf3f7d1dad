# One-line doors; `make help` lists them. Everything they need is installed by tools/setup.sh (Debian 12).
JOBS ?= $(shell nproc)
T ?= all
SECS ?= 60
CONFIGURE = cmake --log-level=WARNING --preset
BUILD = cmake --build -j $(JOBS) --preset

help:  ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9 -]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

run: build  ## set up, build, play one episode with the built-in model, then count thirty per depth
	build/hadal play </dev/null
	build/hadal play --episodes 30

build: setup  ## set up, build the program: build/hadal
	$(CONFIGURE) release && $(BUILD) release --target hadal

test: setup  ## set up, build, run all tests
	$(CONFIGURE) release && $(BUILD) release && tools/run_tests.sh build

unit golden: setup  ## the tests of one label (unit: under a minute)
	$(CONFIGURE) release && $(BUILD) release && tools/run_tests.sh build -L '^$@$$'

e2e: setup  ## the program from outside: verbs, load, faults; then the page in Debian's Chromium (Playwright from npm)
	$(CONFIGURE) release && $(BUILD) release && tools/run_tests.sh build -L '^e2e$$'
	tests/page/run.sh

load: setup  ## 64 clients for ten minutes, some of which vanish or send garbage; SECONDS=, CLIENTS=
	$(CONFIGURE) release && $(BUILD) release --target server_load_test
	HADAL_LOAD_SECONDS=$(or $(SECONDS),600) HADAL_LOAD_CLIENTS=$(or $(CLIENTS),64) build/server_load_test 2>/dev/null

check: setup lint unit asan  ## all that must pass before a commit: format, layers, headers, tests, sanitizers

lint: setup  ## format, include directions, headers alone, symbols of instruction-set files
	tools/setup.sh check && $(CONFIGURE) release && tools/lint.sh

tidy:  ## clang-tidy over src and apps (slow); DIR=src/base for one folder
	tools/setup.sh build clang && $(CONFIGURE) clang && tools/lint.sh --tidy $(DIR)

asan: setup  ## unit tests under address and undefined-behaviour sanitizers
	$(CONFIGURE) asan && $(BUILD) asan && tools/run_tests.sh build-asan -L unit

clang: setup  ## unit tests of a build with the second compiler
	tools/setup.sh clang && $(CONFIGURE) clang && $(BUILD) clang && tools/run_tests.sh build-clang -L unit

fuzz:  ## fuzz the parsers: make fuzz T=gguf SECS=60; without T each of them
	tools/setup.sh build clang && $(CONFIGURE) fuzz && $(BUILD) fuzz && tools/fuzz.sh $(T) $(SECS)

conformance: build  ## the official clients of OpenAI and Anthropic (installed from their registry) against build/hadal serve
	tests/conformance/run.sh

bench: setup  ## the built-in model, then single operators, beside the peaks of this machine
	$(CONFIGURE) release && $(BUILD) release --target hadal --target backend_bench
	build/hadal bench --ops
	build/backend_bench

train:  ## train the built-in model in two stages (optional LibTorch component, 2.5 hours; resumes by itself)
	tools/setup.sh build train && $(CONFIGURE) train && $(BUILD) train --target hadal
	build-train/hadal train --config models/training/mini/stage1.json --config models/training/mini/stage0.json --out train-out/0
	build-train/hadal train --config models/training/mini/stage1.json --init train-out/0 --seed 2 --out train-out/1

experiments:  ## a small version of the world-model experiment (about 10 minutes; LibTorch): four arms, table, figures
	tools/setup.sh build train && $(CONFIGURE) train && $(BUILD) train --target hadal
	experiments/world_model/small.sh

test-train:  ## tests of the trainer and of the engine against it
	tools/setup.sh build train && $(CONFIGURE) train && $(BUILD) train --target src/train/all && tools/run_tests.sh build-train/src/train

setup:
	@tools/setup.sh build

clean:  ## remove build folders
	rm -rf build build-asan build-clang build-dev build-fuzz build-train build-tsan

.PHONY: help run build test unit golden e2e conformance check lint tidy asan clang fuzz bench train experiments test-train setup clean
