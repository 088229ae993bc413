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
