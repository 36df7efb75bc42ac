#!/usr/bin/env bash
# bare-metal.sh: builds the product crates for processors without an operating system, and runs the VPN firmware on emulated
# boards. Installs QEMU and, in a directory of its own, a compiler with its library sources.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target/bare-metal}
TOOLCHAIN=${BARE_METAL_TOOLCHAIN:-$CARGO_TARGET_DIR/toolchain}
passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok: $1"; }
fail() { failed=$((failed + 1)); echo "FAILED: $1"; }
check() { echo "+ ${*:2}"; if "${@:2}" </dev/null; then pass "$1"; else fail "$1"; fi; }

packages=()
command -v qemu-system-arm >/dev/null || packages+=(qemu-system-arm)
command -v qemu-system-riscv32 >/dev/null || packages+=(qemu-system-misc)
command -v qemu-s390x >/dev/null || packages+=(qemu-user)
if [ ${#packages[@]} -gt 0 ]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
"$ROOT/ci/bare-metal-toolchain.sh" "$TOOLCHAIN"

# The toolchain comes without its linker; the host's serves.
HOST=$(rustc -vV | sed -n 's/^host: //p')
LLD=$(rustc --print sysroot)/lib/rustlib/$HOST/bin/rust-lld
for target in thumbv6m-none-eabi thumbv7em-none-eabihf riscv32imac-unknown-none-elf riscv64gc-unknown-none-elf \
  aarch64-unknown-none s390x-unknown-linux-gnu; do
  variable=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_LINKER
  export "$variable=$LLD"
done
# No one relocates a program that starts without a C library.
export CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Crelocation-model=static
export RUSTC_BOOTSTRAP=1 RUSTC=$TOOLCHAIN/rustc
build() { cargo build --quiet --release "$@"; }
targets() { printf -- '--target\n%s\n' "$@"; }

# Every product crate, where there is an allocator.
PRODUCTS=(-p fwd-core -p bgp-vpn -p mvpn -p vpls -p p2mp-pw -p ipsec-vlink)
mapfile -t args < <(targets thumbv7em-none-eabihf riscv32imac-unknown-none-elf)
check "six product crates: Cortex-M4, RV32IMAC" build -Zbuild-std=core,alloc --no-default-features "${args[@]}" "${PRODUCTS[@]}"
# The forwarding plane anywhere, without one: no compare-and-swap on ARMv6-M, big-endian ARM, MIPS and PowerPC, eBPF, a DSP.
mapfile -t args < <(targets thumbv6m-none-eabi armebv7r-none-eabi aarch64-unknown-none riscv32i-unknown-none-elf \
  riscv32imc-unknown-none-elf riscv64gc-unknown-none-elf mips-mti-none-elf powerpc64-unknown-linux-gnu bpfel-unknown-none \
  hexagon-unknown-none-elf x86_64-unknown-none wasm32v1-none)
check "fwd-core: twelve more processors" \
  cargo build --quiet --config profile.dev.opt-level=0 --config profile.dev.debug=false -Zbuild-std=core -p fwd-core "${args[@]}"

qemu() {
  local target=$1 elf=$2 board
  local semihosting=(-nodefaults -display none -monitor none -serial none -chardev stdio,id=console,signal=off
    -semihosting-config enable=on,target=native,chardev=console -icount shift=0 -kernel "$elf")
  case $target in
    thumbv7em*) board=(qemu-system-arm -M mps2-an386) ;;
    thumbv6m*) board=(qemu-system-arm -M microbit) ;;
    riscv32*) board=(qemu-system-riscv32 -M virt -bios none) ;;
    riscv64*) board=(qemu-system-riscv64 -M virt -bios none) ;;
    aarch64*) board=(qemu-system-aarch64 -M virt -cpu cortex-a72) ;;
    s390x*) timeout 60 qemu-s390x "$elf"; return ;;
  esac
  timeout 60 "${board[@]}" "${semihosting[@]}"
}
cd "$ROOT/firmware"
for target in thumbv7em-none-eabihf thumbv6m-none-eabi riscv32imac-unknown-none-elf riscv64gc-unknown-none-elf \
  aarch64-unknown-none s390x-unknown-linux-gnu; do
  features=()
  # A hosted target expects memcpy and the like of its C library.
  [[ $target != s390x* ]] || features=(-Zbuild-std-features=compiler-builtins-mem)
  check "firmware for $target" build -Zbuild-std=core "${features[@]}" --target "$target" -p firmware
  check "VPN on $target" qemu "$target" "$CARGO_TARGET_DIR/$target/release/firmware"
done
# The check is checked: a mismatch ends in a non-zero exit code. What it prints would be taken for a failure of ours.
check "firmware with a planted mismatch" build -Zbuild-std=core --target aarch64-unknown-none -p firmware --features planted
echo "+ qemu aarch64-unknown-none (planted)"
if qemu aarch64-unknown-none "$CARGO_TARGET_DIR/aarch64-unknown-none/release/firmware" </dev/null >/dev/null; then
  fail "a planted mismatch is reported"
else
  pass "a planted mismatch is reported"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
