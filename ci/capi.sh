#!/usr/bin/env bash
# capi.sh [--update]: the C interface of the forwarding plane. Its header is what cbindgen makes of the source; the same C program
# uses it on the host and on a Cortex-M4 under QEMU. With --update the header is written anew.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
CAPI=$ROOT/fwd-core/capi
passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok: $1"; }
fail() { failed=$((failed + 1)); echo "FAILED: $1"; }
check() { echo "+ ${*:2}"; if "${@:2}" </dev/null; then pass "$1"; else fail "$1"; fi; }

packages=()
command -v cbindgen >/dev/null || packages+=(cbindgen)
command -v gcc >/dev/null || packages+=(gcc libc6-dev)
command -v arm-none-eabi-gcc >/dev/null || packages+=(gcc-arm-none-eabi)
command -v qemu-system-arm >/dev/null || packages+=(qemu-system-arm)
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$CAPI"
cbindgen --quiet --config cbindgen.toml --output "$work/fwd_core.h" src/lib.rs
if [ "${1:-}" = --update ]; then
  cp "$work/fwd_core.h" include/fwd_core.h
fi
check "the header is what the source says" diff -u include/fwd_core.h "$work/fwd_core.h"

# On the host.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target/bare-metal}
check "library for the host" cargo build --quiet --release
check "C program for the host" gcc -std=c11 -O2 -Wall -Wextra -Werror -Iinclude tests/router.c tests/switching.c tests/host.c \
  "$CARGO_TARGET_DIR/release/libfwd_core_c.a" -o "$work/host"
check "C program on the host" "$work/host"

# On a Cortex-M4, with the toolchain of the bare-metal step.
TOOLCHAIN=${BARE_METAL_TOOLCHAIN:-$CARGO_TARGET_DIR/toolchain}
"$ROOT/ci/bare-metal-toolchain.sh" "$TOOLCHAIN"
target=thumbv7em-none-eabihf
build() { RUSTC_BOOTSTRAP=1 RUSTC=$TOOLCHAIN/rustc cargo build --quiet --release -Zbuild-std=core --target "$target"; }
check "library for a Cortex-M4" build
compile() {
  arm-none-eabi-gcc -std=c11 -Os -Wall -Wextra -Werror -ffreestanding -nostdlib -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 \
    -fno-tree-loop-distribute-patterns -Iinclude -L"$ROOT/firmware/ld" -T"$ROOT/firmware/ld/mps2.ld" -Wl,--gc-sections -Wl,-z,noexecstack \
    tests/router.c tests/switching.c tests/cortex_m.c "$CARGO_TARGET_DIR/$target/release/libfwd_core_c.a" -lgcc -o "$work/cortex-m"
}
check "C program for a Cortex-M4" compile
run() {
  timeout 60 qemu-system-arm -M mps2-an386 -nodefaults -nic none -display none -monitor none -serial none \
    -chardev stdio,id=console,signal=off -semihosting-config enable=on,target=native,chardev=console -kernel "$work/cortex-m"
}
check "C program on a Cortex-M4" run
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
