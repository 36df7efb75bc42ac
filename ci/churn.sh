#!/usr/bin/env bash
# churn.sh [CASES]: random cores and scripts of joins, leaves and failures against the reference model of mvpn/tests/mvpn/churn.rs; 1,000 cases
# unless another number is asked for, shared by a process for each core. For many, CARGO_PROFILE_{TEST,DEV}_OPT_LEVEL=3 builds for speed,
# with all checks. PROPTEST_RNG_SEED is the first process's seed, the others' follow it; without it they are new ones.
set -uo pipefail
cd "$(dirname "$0")/.."
cases=${1:-1000} seed=${PROPTEST_RNG_SEED:-$RANDOM$RANDOM} processes=$(nproc)
[[ $cases =~ ^[1-9][0-9]*$ ]] || { echo "not a number of cases: $cases" >&2; exit 2; }
[ "$processes" -le "$cases" ] || processes=$cases
churn=(cargo test --quiet --workspace --test mvpn)
"${churn[@]}" --no-run || exit
logs=$(mktemp -d)
trap 'rm -r "$logs"' EXIT
running=()
for ((n = 0; n < processes; n++)); do
  PROPTEST_RNG_SEED=$((seed + n)) MVPN_CASES=$(((cases + n) / processes)) "${churn[@]}" -- churn:: >"$logs/$n" 2>&1 &
  running+=($!)
done
passed=0 failed=0
for ((n = 0; n < processes; n++)); do
  if wait "${running[n]}" && grep -q 'test result: ok. 1 passed' "$logs/$n"; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf 'seed %s, %s cases:\n' "$((seed + n))" "$(((cases + n) / processes))"
    cat "$logs/$n"
  fi
done
echo "$cases cases, seeds from $seed, in $processes processes: $passed passed, $failed failed"
[ "$failed" = 0 ]
