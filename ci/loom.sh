#!/usr/bin/env bash
# loom.sh: readers beside the writer of the forwarding tables, in every order that the memory model allows. The tests take seconds; what the
# model checker is built from is built apart from the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/loom RUSTFLAGS="--cfg loom"
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1
cargo test --quiet -p fwd-core --lib --release -- model::
