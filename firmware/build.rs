//! Chooses the linker script of the board.

fn main() {
    let target = std::env::var("TARGET").unwrap();
    let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let board = match target.as_str() {
        // Of Cortex-M0 boards the emulator has one, with 16 KiB: ARMv6-M code runs on a Cortex-M3 instead.
        "thumbv7em-none-eabihf" | "thumbv6m-none-eabi" => "mps2.ld",
        t if t.starts_with("riscv") => "riscv-virt.ld",
        t if t.starts_with("aarch64-unknown-none") => "aarch64-virt.ld",
        // A process without a C library, for user-mode emulation.
        "s390x-unknown-linux-gnu" => return println!("cargo:rustc-link-arg-bins=-static"),
        other => panic!("no board for {other}"),
    };
    println!("cargo:rustc-link-search={dir}/ld");
    println!("cargo:rustc-link-arg-bins=-T{dir}/ld/{board}");
    println!("cargo:rerun-if-changed=ld");
}
