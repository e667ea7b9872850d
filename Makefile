# The commands of the README. `make` alone lists them.

CARGO ?= cargo
BIN := target/release/portcullis

.DEFAULT_GOAL := help
.PHONY: help run build test lint unit minutes fuzz e2e python bench eval clean rust

help: ## Lists the commands.
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/' | expand -t 16

run: build ## Builds the release and starts a gate to try: sample policy, embedded store, keys and address printed.
	@$(BIN) dev

build: rust ## Builds the release: target/release/portcullis.
	$(CARGO) build --release --locked --bin portcullis

test: lint unit minutes e2e python ## Installs what the tests need and runs all of them.

lint: rust ## Formatting and lints.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

unit: rust ## Rust tests: units, corpora, simulation, races, crashes, and programs that must not compile.
	@postgres=$$(tests/postgres); export PATH="$$PATH$${postgres:+:$$postgres}"; if $(CARGO) nextest --version >/dev/null 2>&1; \
	then $(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else $(CARGO) test --locked --workspace --tests --no-fail-fast; fi
	RUSTDOC=$(CURDIR)/tests/rustdoc-with-codes $(CARGO) test --locked --workspace --doc

SECONDS ?= 3600
FUZZ = $(CARGO) test --profile fuzz --locked -p inspect --test it -- --nocapture fuzz::

minutes: rust ## Gives every reader of hostile text texts that nobody wrote, a minute each and two or more at once.
	FUZZ_DICE=1 FUZZ_SECONDS=60 $(FUZZ)

fuzz: rust ## The same for SECONDS each (3600), with new dice and a limit of time; FUZZ_TARGET=shell for one.
	FUZZ_DICE=$${FUZZ_DICE:-$$(date +%s)} FUZZ_TIMED=1 FUZZ_SECONDS=$(SECONDS) $(FUZZ)

e2e: rust ## The real MCP client and server, through the gate.
	$(CARGO) build --locked --bin portcullis
	tests/e2e/install
	tests/e2e/run

python: rust ## Builds the Python wheel, installs it into clean environments and runs its tests, adapters included.
	python/tests/run

bench: build ## Installs the peers without root and prints each figure of the README beside them, measured in the same run.
	bench/install
	$(CARGO) run --release --locked --manifest-path bench/Cargo.toml -- all
	python/tests/bench

eval: rust ## Measures recall and false positives over public data (PORTCULLIS_CORPORA=DIR); docs/eval.md keeps the table.
	$(CARGO) run --release --manifest-path eval/Cargo.toml -- --write

clean: ## Removes what was built and installed.
	$(CARGO) clean
	rm -rf bench/target

rust:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo "Rust is not installed: see https://rustup.rs, then run make again." >&2; exit 1; }
	@command -v cc >/dev/null 2>&1 || { \
	  echo "A C compiler (cc) is missing, and Rust needs it to link: install gcc or clang, then run make again." >&2; exit 1; }
