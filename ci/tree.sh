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
  features=--all-features
  # The software cryptography of feature `rustcrypto`, and of no other.
  wanted=
  case $c in
  fwd-core) wanted='aes cmac hmac sha1' others=std,arbitrary,control,qos ;;
  ipsec-vlink) wanted='aes aes-gcm cbc chacha20poly1305 crypto-bigint des ed25519-dalek hmac p256 sha1 sha2 x25519-dalek' others=std,arbitrary ;;
  esac
  if [ -n "$wanted" ]; then
    features="--features $others"
    more=$(cargo tree -q -p "$c" -e normal --depth 1 --prefix none --features rustcrypto | sed 1d | awk '{ print $1 }' | sort -u)
    odd=$(awk -v ok="$allowed $crates $wanted " '$1 != "" && !index(ok, " " $1 " ") { print $1 }' <<<"$more")
    if [ -z "$odd" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$c with rustcrypto depends on: $odd"; fi
  fi
  extra=$(cargo tree -q -p "$c" -e normal --depth 1 --prefix none $features | sed 1d |
    awk -v ok="$allowed $crates " '$1 != "" && !index(ok, " " $1 " ") { print $1 }' | sort -u)
  if [ -z "$extra" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$c depends on: $extra"; fi
done
echo "floor plan: $passed passed, $failed failed"
[ "$failed" = 0 ]
