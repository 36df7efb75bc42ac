#!/usr/bin/env bash
# bare-metal.sh [--update]: builds the product crates for processors without an operating system, runs the VPN firmware on
# emulated boards, and compares what it costs with firmware/budget.txt: code, stack, instructions for a packet. More than 5 % above
# the budget fails; --update writes the file anew. Installs QEMU and, in a directory of its own, a compiler with its library sources.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target/bare-metal}
# What is counted must not hang on whoever counts: compiled by increments, code is inlined otherwise.
export CARGO_INCREMENTAL=0
TOOLCHAIN=${BARE_METAL_TOOLCHAIN:-$CARGO_TARGET_DIR/toolchain}
BUDGET=$ROOT/firmware/budget.txt
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
BOARDS=(thumbv7em-none-eabihf thumbv6m-none-eabi riscv32imac-unknown-none-elf riscv64gc-unknown-none-elf
  aarch64-unknown-none s390x-unknown-linux-gnu)
for target in "${BOARDS[@]}"; do
  variable=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_LINKER
  export "$variable=$LLD"
done
# No one relocates a program that starts without a C library.
export CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Crelocation-model=static
export RUSTC_BOOTSTRAP=1 RUSTC=$TOOLCHAIN/rustc
targets() { printf -- '--target\n%s\n' "$@"; }
# Without an optimiser, which what only has to compile does not need.
plain=(--quiet --config profile.dev.opt-level=0 --config 'profile.dev.package."*".opt-level=0' --config profile.dev.debug=false)

# Every product crate, where there is an allocator.
PRODUCTS=(-p fwd-core -p bgp-vpn -p mvpn -p vpls -p p2mp-pw -p ipsec-vlink)
mapfile -t args < <(targets thumbv7em-none-eabihf riscv32imac-unknown-none-elf)
check "six product crates: Cortex-M4, RV32IMAC" \
  cargo build "${plain[@]}" -Zbuild-std=core,alloc --no-default-features "${args[@]}" "${PRODUCTS[@]}"
# The forwarding plane anywhere, without one. Those of the boards below are built and run; of the others, what differs is which
# atomic words there are: none for eBPF, no compare-and-swap elsewhere. Big-endian ARM, MIPS and PowerPC, a DSP, WebAssembly.
check "fwd-core: eBPF" cargo build "${plain[@]}" -Zbuild-std=core -p fwd-core --target bpfel-unknown-none
mapfile -t args < <(targets armebv7r-none-eabi riscv32i-unknown-none-elf riscv32imc-unknown-none-elf mips-mti-none-elf \
  powerpc64-unknown-linux-gnu hexagon-unknown-none-elf x86_64-unknown-none wasm32v1-none)
check "fwd-core: eight more processors" cargo check "${plain[@]}" -Zbuild-std=core -p fwd-core "${args[@]}"

qemu() {
  local target=$1 elf=$2 board
  local semihosting=(-nodefaults -nic none -display none -monitor none -serial none -chardev stdio,id=console,signal=off
    -semihosting-config enable=on,target=native,chardev=console -icount shift=0 -kernel "$elf")
  case $target in
    thumbv7em*) board=(qemu-system-arm -M mps2-an386) ;;
    # It has one Cortex-M0, with 16 KiB; a Cortex-M3 runs the same code.
    thumbv6m*) board=(qemu-system-arm -M mps2-an385) ;;
    riscv32*) board=(qemu-system-riscv32 -M virt -bios none) ;;
    riscv64*) board=(qemu-system-riscv64 -M virt -bios none) ;;
    aarch64*) board=(qemu-system-aarch64 -M virt -cpu cortex-a72) ;;
    s390x*) timeout 60 qemu-s390x "$elf"; return ;;
  esac
  timeout 60 "${board[@]}" "${semihosting[@]}"
}
elf() { echo "$CARGO_TARGET_DIR/$1/release/firmware"; }
# Runs a board and notes its figures: "TARGET NAME NUMBER".
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
board() {
  local output rc=0
  output=$(qemu "$1" "$(elf "$1")") || rc=$?
  echo "$output"
  awk -v target="$1" '$1 == "figure" && $3 > 0 { print target, $2, $3 }' <<<"$output" >>"$figures"
  return $rc
}
cd "$ROOT/firmware"
# A hosted target expects memcpy and the like of its C library.
build() { cargo build --quiet --release -Zbuild-std=core -Zbuild-std-features=compiler-builtins-mem "$@" -p firmware; }
mapfile -t args < <(targets "${BOARDS[@]}")
check "firmware for six boards" build "${args[@]}"
for target in "${BOARDS[@]}"; do
  check "VPN on $target" board "$target"
done
if [ "${1:-}" = --update ]; then
  { echo "# What the firmware costs: ci/bare-metal.sh --update. Octets of code and stack; instructions for a packet, made and"
    echo "# forwarded, on ARMv6-M and ARMv7-M ticks of a timer that counts one for many."
    sort "$figures"; } >"$BUDGET"
fi
within() {
  awk 'FNR == NR { if ($1 !~ /^#/) budget[$1, $2] = $3; next }
    { seen[$1, $2] = 1
      if (!(($1, $2) in budget)) { print $1, $2, $3, "has no budget"; bad = 1 }
      else if ($3 > budget[$1, $2] * 1.05 + 1) { print $1, $2, $3, "is more than 5 % above", budget[$1, $2]; bad = 1 } }
    END { for (key in budget) if (!(key in seen)) { split(key, k, SUBSEP); print k[1], k[2], "was not measured"; bad = 1 }
      exit bad }' "$BUDGET" "$figures"
}
check "within the budget" within
# The check is checked: a mismatch ends in a non-zero exit code. What it prints would be taken for a failure of ours.
check "firmware with a planted mismatch" build --target aarch64-unknown-none --features planted
echo "+ qemu aarch64-unknown-none (planted)"
if qemu aarch64-unknown-none "$(elf aarch64-unknown-none)" </dev/null >/dev/null; then
  fail "a planted mismatch is reported"
else
  pass "a planted mismatch is reported"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
