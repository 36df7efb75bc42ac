#!/usr/bin/env bash
# The floor plan: `cargo tree` must show these edges between our crates and no others.
set -euo pipefail
cd "$(dirname "$0")/.."
want='bgp-vpn fwd-core
ipsec-vlink fwd-core
mvpn bgp-vpn
mvpn fwd-core
mvpn p2mp-pw
p2mp-pw fwd-core
vpls bgp-vpn
vpls fwd-core
vpls mvpn
vpls p2mp-pw'
crates='fwd-core bgp-vpn mvpn vpls p2mp-pw ipsec-vlink'
passed=0 failed=0
have=$(for c in $crates; do
  cargo tree -q -p "$c" -e normal,build --depth 1 --prefix none --all-features |
    sed 1d | awk -v c="$c" -v ours=" $crates " 'index(ours, " " $1 " ") { print c, $1 }'
done | sort -u)
if [ "$have" = "$want" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); diff <(echo "$want") <(echo "$have") || true; fi
# What product crates may depend on besides each other.
allowed=' nom bytes thiserror bitflags smallvec hashbrown arbitrary '
for c in $crates; do
  extra=$(cargo tree -q -p "$c" -e normal --depth 1 --prefix none --all-features | sed 1d |
    awk -v ok="$allowed $crates " '$1 != "" && !index(ok, " " $1 " ") { print $1 }' | sort -u)
  if [ -z "$extra" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$c depends on: $extra"; fi
done
echo "floor plan: $passed passed, $failed failed"
[ "$failed" = 0 ]
