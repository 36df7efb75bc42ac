//! Text out and an exit code: semihosting on bare metal, system calls where there is a kernel below.

use core::arch::asm;
use core::fmt::{self, Write};

/// The emulator's console.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        print(s);
        Ok(())
    }
}

#[cfg(not(target_arch = "s390x"))]
mod semihosting {
    use super::asm;

    const SYS_WRITEC: usize = 0x03;
    const SYS_EXIT_EXTENDED: usize = 0x20;
    const ADP_STOPPED_APPLICATION_EXIT: usize = 0x20026;

    fn call(operation: usize, argument: usize) {
        // SAFETY: the debugger reads the argument block, which lives over the call, and writes only the result register.
        unsafe {
            #[cfg(target_arch = "arm")]
            asm!("bkpt #0xab", inlateout("r0") operation => _, in("r1") argument, options(nostack));
            #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
            asm!("call semihosting_call", inlateout("a0") operation => _, in("a1") argument, out("ra") _, options(nostack));
            #[cfg(target_arch = "aarch64")]
            asm!("hlt #0xf000", inlateout("x0") operation => _, in("x1") argument, options(nostack));
        }
    }

    pub fn print(s: &str) {
        for octet in s.bytes() {
            call(SYS_WRITEC, &raw const octet as usize);
        }
    }

    pub fn exit(code: usize) -> ! {
        let block = [ADP_STOPPED_APPLICATION_EXIT, code];
        call(SYS_EXIT_EXTENDED, block.as_ptr() as usize);
        loop {
            core::hint::spin_loop();
        }
    }
}
#[cfg(not(target_arch = "s390x"))]
pub use semihosting::{exit, print};

#[cfg(target_arch = "s390x")]
fn print(s: &str) {
    // SAFETY: write(1, s, len) reads the string only.
    unsafe { asm!("svc 4", inlateout("r2") 1_usize => _, in("r3") s.as_ptr(), in("r4") s.len(), options(nostack)) }
}

#[cfg(target_arch = "s390x")]
pub fn exit(code: usize) -> ! {
    // SAFETY: exit_group does not return.
    unsafe { asm!("svc 248", in("r2") code, options(noreturn)) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Console, "{info}");
    exit(101)
}
