#!/usr/bin/env bash
# count.sh: instructions for a packet and for a change of a route, as valgrind counts them: the same in every run and on a machine
# that is busy. The difference between few and many leaves out what is made before.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y valgrind; }
program=$(cargo bench -q -p fwd-core --bench count --no-run --message-format=json |
  grep -o '"executable":"[^"]*/count-[^"]*"' | tail -1 | cut -d'"' -f4)
counted() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 | awk '/Collected/ { print $NF }'
}
for what in swap push pop swap-batch push-batch pop-batch update; do
  few=$(counted "$what" 64) many=$(counted "$what" 3264)
  echo "$what $(((many - few) / 3200))"
done
