#!/usr/bin/env bash
# Captures that this repository may not hold for their licence (lab/tests/captures/elsewhere.txt lists them), for those who have
# them: LAB_CAPTURES names their directory.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${LAB_CAPTURES:-}" ]; then
  echo "SKIPPED captures elsewhere: LAB_CAPTURES names no directory"
  exit 0
fi
cargo test -p lab --features elsewhere --test captures
