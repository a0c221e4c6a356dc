# Two commands for a newcomer: `make demo` and `make test`. Everything builds in the one release profile.
CARGO ?= cargo
PYTHON ?= python3
DEMO_SECONDS ?= 60

# Goes into every session's manifest.
export PHOTIC_BUILD := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

.PHONY: demo test build setup judges lint bench clean

build: ; $(CARGO) build --release --locked

# liblsl from the pylsl wheel (no compiler, no root), and the system's libraries for a software Vulkan where Debian's
# package tool may be used. Each step that is already done is skipped.
setup:
	@$(PYTHON) scripts/setup-lsl.py
	@sh scripts/setup-system.sh

demo: setup build
	@sh scripts/demo.sh target/release/photic $(DEMO_SECONDS)

test: setup
	$(CARGO) test --release --locked --workspace

# The independent judges of the tests (pyxdf, mne, pylsl, onnx, duckdb) in a virtual environment of their own.
judges:
	@sh scripts/setup-judges.sh

lint:
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	$(CARGO) fmt --all --check

bench: setup
	$(CARGO) bench --locked --workspace

clean: ; $(CARGO) clean
