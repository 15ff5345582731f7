# The menu; every recipe is one line that also works without `just`.
_menu:
    @just --list --unsorted

# an Odoo on this machine, from nothing
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# what CI runs; with words only the tests that match them
test *FILTER:
    cargo xtask test {{FILTER}}

# the tests alone, nothing installed
quick *FILTER:
    cargo nextest run --workspace {{FILTER}}

# formatting, house rules, lints
check:
    cargo fmt --all --check && cargo xtask tidy && cargo clippy --workspace --all-targets -- -D warnings

# licences, banned crates, sources
deny:
    cargo xtask deny

# the documentation of both crates, private items included
doc:
    cargo doc --workspace --no-deps --document-private-items --open
