#!/usr/bin/env bash
# What it takes to build and to take down one of each quantity that RFC 5501 section 6.1.2 names, counted in instructions: ten times as much
# of it may cost 1.3 times as much for each, no more. VPLS-SCALE-1 asks this of time, which this does not show: by the clock (`lab vpls-scale`)
# some cost more, and it says something else every time.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive CARGO_TERM_COLOR=never
if ! command -v valgrind >/dev/null; then
  apt-get update -q
  apt-get install -q -y --no-install-recommends valgrind
fi
cargo build --release -p lab
LAB=${CARGO_TARGET_DIR:-target}/release/lab
passed=0 failed=0

# instructions ARGUMENT...: what the program takes with them.
instructions() {
  valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null "$LAB" vpls-scale "$@" 2>&1 |
    awk '/ refs:/ { gsub(",", "", $NF); n = $NF } END { if (n == "") exit 1; print n }'
}
for metric in pes instances sites vlans mac-groups channels trees; do
  start=$(instructions --build "$metric" --turns 0)
  few=$(($(instructions --build "$metric") - start))
  many=$(($(instructions --build "$metric" --tenfold) - start))
  line=$(awk -v few="$few" -v many="$many" 'BEGIN { printf "%.2f times the instructions for each", many / few }')
  if [ "$few" -gt 1000000 ] && [ $((many * 10)) -le $((few * 13)) ]; then
    passed=$((passed + 1))
    echo "ok: $metric, ten times as many: $line"
  else
    failed=$((failed + 1))
    echo "FAILED: $metric, ten times as many: $line ($few and $many)"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
