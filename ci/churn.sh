#!/usr/bin/env bash
# churn.sh [CASES]: random cores and scripts of joins, leaves and failures against the reference model of mvpn/tests/mvpn/churn.rs; 1,000 cases
# unless more are asked for. The simulated routers keep their tables' memory until the process ends: a process has a hundred cases, of a
# seed of its own.
set -uo pipefail
cd "$(dirname "$0")/.."
cases=${1:-1000} passed=0 failed=0
for ((seed = 1; seed * 100 <= cases; seed++)); do
  log=$(PROPTEST_RNG_SEED=$seed MVPN_CASES=100 cargo test --quiet --workspace --test mvpn -- churn:: 2>&1)
  if [[ $log == *'test result: ok. 1 passed'* ]]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf 'seed %s:\n%s\n' "$seed" "$log"
  fi
done
echo "batches of 100 cases: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
