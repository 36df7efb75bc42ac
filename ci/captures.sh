#!/usr/bin/env bash
# Captures that this repository may not hold for their licence (lab/tests/captures/elsewhere.txt lists them), for those who have
# them: LAB_CAPTURES names their directory.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${LAB_CAPTURES:-}" ]; then
  echo "SKIPPED captures elsewhere: LAB_CAPTURES names no directory"
  exit 0
fi
# Vectors of other projects: LAB_VECTORS names their directory.
only=()
if [ -z "${LAB_VECTORS:-}" ]; then
  echo "SKIPPED vectors elsewhere: LAB_VECTORS names no directory"
  only=(--skip vectors_elsewhere)
fi
# The features of ci/live.sh, and all packages' as in the README's test command: what is built serves all three.
cargo test --workspace --features lab/elsewhere,lab/live --test captures -- "${only[@]}"
