# `make` lists what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# scripts/setup has the same order.
export PATH := $(CURDIR)/.tools/bin:$(PATH):$(or $(CARGO_INSTALL_ROOT),$(or $(CARGO_HOME),$(HOME)/.cargo))/bin:$(CURDIR)/end2end/node_modules/.bin

# The server and what its tests need; the browser's half is built for wasm only.
HOST := -p latchkey-server -p latchkey-app --features latchkey-app/ssr
WASM := -p latchkey-frontend -p latchkey-app --features latchkey-app/hydrate --lib \
	--target wasm32-unknown-unknown --profile wasm-dev
TARGET := $$(scripts/target-dir)

.PHONY: help
help: ## Lists these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Builds what changed and serves it for development
	@scripts/setup run
	@cargo leptos build
	@exec $(TARGET)/debug/latchkey serve

.PHONY: watch
watch: ## The same, again after every change to a file
	@scripts/setup run
	@cargo leptos watch -- serve

.PHONY: reset
reset: ## Empties the development data
	rm -rf data

.PHONY: test
test: ## Runs every test, in Rust and in a real browser
	@scripts/setup test
	@scripts/test

.PHONY: fuzz
fuzz: ## Tries the parsers' properties with far more hostile input than the tests do
	@scripts/setup fuzz
	@scripts/fuzz

.PHONY: kills
kills: ## Kills the server fifty times in the middle of its work, and looks for lost mail
	KILLS=50 cargo test $(HOST) --test api -- process::mail

.PHONY: faults
faults: ## Does to a running server what hardware does, hundreds of times, and ends with a table
	@scripts/setup faults
	@scripts/faults

.PHONY: cluster
cluster: ## Runs two instances on a SurrealDB server behind nginx, and takes each of them away
	@scripts/setup cluster
	@scripts/cluster

# The site of a release stands beside its binary, so that a development build
# cannot replace it and the folder can be copied as it is. Names of its files
# carry a hash of their content; hash.txt says which.
.PHONY: build
build: ## Builds the release: latchkey and the site/ it needs, in target/release
	@scripts/setup build
	@LEPTOS_HASH_FILES=true LEPTOS_SITE_ROOT=CARGO_TARGET_DIR/release/site cargo leptos build --release --precompress
	@cp $(TARGET)/release/hash.txt $(TARGET)/release/site/
	@printf 'built %s\n' $(TARGET)/release/{latchkey,site}

.PHONY: bench
bench: ## Runs the benchmarks in release and prints their tables
	@scripts/setup check
	cargo bench -p latchkey-app --features bench --bench hot_pieces
	cargo bench -p latchkey-server --bench sign_up --bench mail --bench attack
	cargo bench -p latchkey-server --bench performance -- --json $(CURDIR)/docs/performance/figures.json
	cargo bench -p latchkey-server --bench store_size -- --json $(CURDIR)/docs/performance/store.json

.PHONY: journeys
journeys: ## Runs every journey on a desk and on a phone, in light and dark, with and without JavaScript
	@scripts/setup test
	@cargo leptos build
	@cd end2end && npm run --silent journeys

.PHONY: lighthouse
lighthouse: ## Asks Lighthouse about the release that `make build` has made
	@scripts/setup test
	@END2END_BINARY=$(TARGET)/release/latchkey npm run --prefix end2end --silent lighthouse

.PHONY: screenshots
screenshots: ## Takes the pictures in docs/screenshots
	@scripts/setup test
	@cargo leptos build
	@cd end2end && npm run --silent screenshots

# What fails soonest comes first.
.PHONY: check
check: ## Checks formatting, lints, licences, documentation, TypeScript and styles
	@scripts/setup check
	cargo fmt --all --check
	cd end2end && npm run --silent types && npm run --silent styles
	scripts/one-build
	cargo deny --log-level error check --hide-inclusion-graph licenses bans sources
	cargo clippy $(WASM) --target-dir $(TARGET)/front -- -D warnings
	cargo clippy $(HOST) --all-targets -- -D warnings
	cargo clippy -p latchkey-app --features bench --benches -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(HOST) --lib --no-deps

.PHONY: audit
audit: ## Checks dependencies, their known vulnerabilities too (needs a network)
	@scripts/setup check
	cargo deny check

.PHONY: setup
setup: ## Installs what these need, but for what only cluster and faults do
	@for task in run build test check; do scripts/setup $$task; done
