//! What the firmware costs: octets of code, instructions, octets of stack. The emulator counts one instruction per tick.

/// Whether there is anything to measure with: not in a process.
pub const IS_THERE: bool = !cfg!(target_arch = "s390x");

/// Octets of all code; 0 where there is no linker script of ours.
pub fn code() -> usize {
    #[cfg(not(target_arch = "s390x"))]
    {
        unsafe extern "C" {
            static __stext: u8;
            static __etext: u8;
        }
        (&raw const __etext as usize).wrapping_sub(&raw const __stext as usize)
    }
    #[cfg(target_arch = "s390x")]
    0
}

/// Readies the counter of [`now`].
pub fn start() {
    // SAFETY: registers of the processor's own timer and counters, which nothing else here uses.
    #[cfg(target_arch = "arm")]
    unsafe {
        const SYST_CSR: *mut u32 = 0xE000_E010 as *mut u32;
        SYST_CSR.add(1).write_volatile(0x00ff_ffff);
        SYST_CSR.add(2).write_volatile(0);
        SYST_CSR.write_volatile(5);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "mrs {t}, pmcr_el0", "orr {t}, {t}, #1", "orr {t}, {t}, #4", "msr pmcr_el0, {t}",
            "mov {t}, #0x80000000", "msr pmcntenset_el0, {t}", "isb",
            t = out(reg) _, options(nostack, nomem)
        );
    }
}

/// A counter that rises with the instructions that were run: by one for each, but on ARMv6-M and ARMv7-M, where a timer counts
/// one tick for several. Always 0 in a process.
pub fn now() -> u32 {
    // SAFETY: counters are read, nothing else.
    #[cfg(target_arch = "arm")]
    unsafe {
        0x00ff_ffff - (0xE000_E018 as *const u32).read_volatile()
    }
    #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
    {
        let count: usize;
        // SAFETY: as above.
        unsafe { core::arch::asm!("csrr {}, minstret", out(reg) count, options(nostack, nomem)) };
        count as u32
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count: u64;
        // SAFETY: as above.
        unsafe { core::arch::asm!("isb", "mrs {}, pmccntr_el0", out(reg) count, options(nostack, nomem)) };
        count as u32
    }
    #[cfg(target_arch = "s390x")]
    0
}

/// What was counted between two looks at the counter, of which ARMv6-M and ARMv7-M have 24 bits.
pub const fn between(before: u32, after: u32) -> u32 {
    let counted = after.wrapping_sub(before);
    if cfg!(target_arch = "arm") { counted & 0x00ff_ffff } else { counted }
}

const PAINT: u32 = 0x5a5a_a5a5;

/// Runs `run` and returns the octets of stack that it used at most; 0 where there is no linker script of ours.
#[inline(never)]
pub fn stack(run: impl FnOnce()) -> usize {
    #[cfg(not(target_arch = "s390x"))]
    {
        unsafe extern "C" {
            static mut __stack_bottom: u32;
        }
        let here = 0_u32;
        let bottom = &raw mut __stack_bottom;
        // What is left free is the frame of this function and what it calls itself.
        let top = (&raw const here as usize).wrapping_sub(256);
        let words = top.wrapping_sub(bottom as usize) / 4;
        for word in 0..words {
            // SAFETY: between the stack's bottom and 256 octets below the stack pointer nothing lives.
            unsafe { bottom.add(word).write_volatile(PAINT) };
        }
        run();
        // SAFETY: as above.
        let untouched = (0..words).take_while(|&word| unsafe { bottom.add(word).read_volatile() } == PAINT).count();
        (&raw const here as usize).wrapping_sub(bottom as usize).wrapping_sub(4 * untouched)
    }
    #[cfg(target_arch = "s390x")]
    {
        let _ = PAINT;
        run();
        0
    }
}
