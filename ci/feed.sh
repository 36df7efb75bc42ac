#!/usr/bin/env bash
# ci/feed.sh [ROUTES [DAEMON...]]: VPN-IPv4 routes through a route reflector: ours beside OpenBGPD, BIRD, GoBGP and FRR, one after the
# other on this machine, each started fresh. Not a step of .ci/run: with a million routes it takes minutes. Needs root.
# FEED_ARGS goes to `lab feed`: --label-per-rd, --distinct.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive CARGO_TERM_COLOR=never
routes=${1:-1000000}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- ours openbgpd bird gobgp frr

missing=''
for daemon in "$@"; do
  case $daemon in
  openbgpd) command -v bgpctl >/dev/null || missing="$missing openbgpd" ;;
  bird) command -v bird >/dev/null || missing="$missing bird2" ;;
  gobgp) command -v gobgpd >/dev/null || missing="$missing gobgpd" ;;
  frr) [ -x /usr/lib/frr/bgpd ] || missing="$missing frr" ;;
  ours) ;;
  *) echo "unknown daemon $daemon" >&2; exit 2 ;;
  esac
done
if [ -n "$missing" ]; then
  apt-get update -q
  # shellcheck disable=SC2086
  apt-get install -q -y --no-install-recommends $missing
fi
cargo build -q --release -p lab
lab="${CARGO_TARGET_DIR:-target}/release/lab"

end() {
  kill "$1" 2>/dev/null || true
  for _ in $(seq 100); do [ -d "/proc/$1" ] || return 0; sleep 0.1; done
  kill -9 "$1"
}

printf '%-12s %8s  %20s  %20s  %13s  %8s %6s %6s %6s\n' '' routes 'wall s 1 2 3' 'CPU s 1 2 3' 'octets/r peak' updates repeat class bad
failed=''
for daemon in "$@"; do
  dir=$(mktemp -d)
  case $daemon in
  ours) "$lab" peer ci/feed/lab.toml >"$dir/log" 2>&1 & ;;
  frr) mkdir -p "$dir/vty"
    /usr/lib/frr/bgpd -Z -n -S -p 1790 -l 127.0.0.10 -P 0 --vty_socket "$dir/vty" -i "$dir/pid" -f "$PWD/ci/feed/frr.conf" \
      --log stdout --log-level critical >"$dir/log" 2>&1 & ;;
  gobgp) gobgpd -f ci/feed/gobgpd.toml -l warn --api-hosts 127.0.0.10:50051 >"$dir/log" 2>&1 & ;;
  bird) bird -f -c ci/feed/bird.conf -s "$dir/ctl" -P "$dir/pid" >"$dir/log" 2>&1 & ;;
  openbgpd) install -m 600 ci/feed/openbgpd.conf "$dir/conf"
    echo "socket \"$dir/socket\"" >>"$dir/conf"
    mkdir -p /run/openbgpd
    bgpd -d -f "$dir/conf" >"$dir/log" 2>&1 & ;;
  esac
  main=$!
  sleep 2
  pids=$main
  for child in $(pgrep -P "$main" || true); do pids+=,$child; done
  # shellcheck disable=SC2086
  "$lab" feed --name "$daemon" --routes "$routes" --pids "$pids" ${FEED_ARGS:-} || { failed="$failed $daemon"; tail -3 "$dir/log"; }
  end "$main"
  wait "$main" 2>/dev/null || true
  rm -rf "$dir"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
