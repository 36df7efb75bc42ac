#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET...]]: builds the fuzz targets with coverage on stable Rust, replays the corpora, and runs each target
# for SECONDS (default: what keeps all of them within two minutes, at most 10 each; then they are optimised little, to be built sooner).
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
HOST=$(rustc -vV | sed -n 's/^host: //p')
OUT=${CARGO_TARGET_DIR:-$PWD/target}
mapfile -t TARGETS < <(cd fuzz_targets && ls -- *.rs | sed 's/\.rs$//')
SECONDS_EACH=${1:-$((100 / ${#TARGETS[@]}))}
[ $# -gt 0 ] || [ "$SECONDS_EACH" -le 10 ] || SECONDS_EACH=10
[ $# -lt 2 ] || TARGETS=("${@:2}")
passed=0 failed=0
run() { echo "+ $*"; "$@" </dev/null; }
check() { if run "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi; }
# A fuzzing run prints much: its figures when it found nothing, the end of it all when it did.
fuzz() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then grep stat:: "$log"; rm "$log"; else tail -40 "$log"; rm "$log"; return 1; fi
}

# Without what a debugger would read: forty programs with it fill a disk.
export CARGO_PROFILE_RELEASE_DEBUG=false
[ $# -gt 0 ] || export CARGO_PROFILE_RELEASE_OPT_LEVEL=1
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1"
check "build" cargo build --quiet --release --bins --target "$HOST"
unset RUSTFLAGS
# What once failed, and the seeds, one by one; the programs check what a test does, and more.
replay() {
  local target
  for target in "${TARGETS[@]}"; do
    grep -q "(\"$target\", $target)" src/lib.rs || { echo "$target is not in the list of targets"; return 1; }
    ls "corpus/$target"/* >/dev/null || return 1
    "$OUT/$HOST/release/$target" -verbosity=0 -timeout=60 "corpus/$target"/* >/dev/null || return 1
  done
}
check "corpus replay" replay
for target in "${TARGETS[@]}"; do
  # New inputs go to a scratch directory: a run leaves the committed corpus alone.
  scratch=$(mktemp -d)
  mkdir -p "artifacts/$target"
  check "$target" fuzz "$OUT/$HOST/release/$target" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 \
    ${FUZZ_SEED:+-seed=$FUZZ_SEED} -print_final_stats=1 -verbosity=0 -artifact_prefix="artifacts/$target/" "$scratch" "corpus/$target"
  rm -rf "$scratch"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
