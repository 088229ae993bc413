# Short names for the commands of CONTRIBUTING.md; nothing here needs `just` to be run.

# List the recipes.
default:
    @just --list

# Everything a change has to pass, or only the steps named: `just ci clippy docs`.
ci *steps:
    bash .ci/run {{ steps }}

# The tests of the default members.
test *args:
    cargo test {{ args }}

# Formatting, clippy, rustdoc and the rules of the workspace.
lint:
    bash .ci/run format modules dependencies ceilings clippy docs

fmt:
    cargo fmt --all

doc:
    cargo doc --workspace --lib --no-deps --all-features --open

# A short run of the benches, with the gate on instruction counts.
bench:
    bash .ci/run bench

# Write the generated pages and schemas anew.
generate:
    UPDATE=1 cargo test -p portcullis

# Hunt with every fuzz target, or those named, for so many seconds each. Needs nightly and cargo-fuzz.
fuzz seconds="60" targets="sse head json usage route pattern config proxy":
    cd fuzz && for target in {{ targets }}; do \
        cargo +nightly fuzz run -s none "$target" -- -max_total_time={{ seconds }} -max_len=16384 || exit 1; done

# A release is soaked for an hour.
soak seconds="3600":
    cargo build --release -p portcullis-gateway -p portcullis-benches
    target/release/soak --seconds {{ seconds }}
