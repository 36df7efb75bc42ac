#!/usr/bin/env bash
# Ours beside freeRtr, live: ci/freertr/run.sh CHECKOUT [FILTER], of https://github.com/mc36/freeRtr. It is no package anywhere, and needs a
# Java of 21 or later (JAVA_HOME) to be built, so that `ci/live.sh` cannot install it; what else is needed that script installs.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
checkout=$(cd "${1:?a checkout of freeRtr}" && pwd)
export LAB_FREERTR=${CARGO_TARGET_DIR:-$top/target}/freertr
mkdir -p "$LAB_FREERTR"
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
if [ ! -e "$LAB_FREERTR/classes/org/freertr/router.class" ]; then
  (cd "$checkout/src" && "${java}c" -nowarn -d "$LAB_FREERTR/classes" -sourcepath . org/freertr/router.java org/freertr/*/*.java)
fi
# From frames of an interface to datagrams and back: what freeRtr takes for an interface.
gcc -O2 -o "$LAB_FREERTR/rawInt" "$checkout/misc/native/rawInt.c" -lpthread
ln -sfn "$(command -v "$java")" "$LAB_FREERTR/java"
cd "$top"
exec cargo test --workspace --features lab/live,lab/freertr --test live -- --test-threads=2 "${2:-freertr}"
