#!/usr/bin/env bash
# no-panic.sh: proves that no panic is left in the optimised forwarding plane, and that the proof would find one.
set -euo pipefail
cd "$(dirname "$0")/../firmware"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
passed=0 failed=0
# Whether the library refers to the function that its panic handler calls.
may_panic() {
  echo "+ cargo build --release -p no-panic $*"
  local library=$CARGO_TARGET_DIR/release/libno_panic.a
  rm -f "$library"
  cargo build --quiet --release -p no-panic "$@" </dev/null || { echo "FAILED: build"; exit 1; }
  local symbols
  symbols=$(nm "$library" 2>/dev/null) || { echo "FAILED: nm"; exit 1; }
  grep -q ' T fwd_core_run$' <<<"$symbols" || { echo "FAILED: the forwarding plane is not in the library"; exit 1; }
  grep -q ' U fwd_core_may_panic$' <<<"$symbols"
}
verdict() { if [ "$2" = yes ]; then passed=$((passed + 1)); echo "ok: $1"; else failed=$((failed + 1)); echo "FAILED: $1"; fi; }
if may_panic; then verdict "the forwarding plane cannot panic" no; else verdict "the forwarding plane cannot panic" yes; fi
if may_panic --features planted; then verdict "a planted panic is found" yes; else verdict "a planted panic is found" no; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
