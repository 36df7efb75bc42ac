//! From reset to `rust_main`: a stack, cleared and loaded data, the floating point unit where code may use its registers.

use core::arch::global_asm;

#[cfg(target_arch = "arm")]
global_asm!(
    r#"
    .section .vectors,"a",%progbits
    .word __stack_top
    .word _start
    .word _hang
    .word _hang
    .section .text.start,"ax",%progbits
    .syntax unified
    .thumb_func
    .global _start
_start:
    ldr r0, =0xE000ED88      @ CPACR: enable the FPU (no effect on a Cortex-M0)
    ldr r1, =0x00F00000
    str r1, [r0]
    dsb
    isb
    ldr r0, =__sbss
    ldr r1, =__ebss
    movs r2, #0
1:  cmp r0, r1
    bhs 2f
    str r2, [r0]
    adds r0, #4
    b 1b
2:  ldr r0, =__sdata
    ldr r1, =__edata
    ldr r2, =__sidata
3:  cmp r0, r1
    bhs 4f
    ldr r3, [r2]
    str r3, [r0]
    adds r0, #4
    adds r2, #4
    b 3b
4:  bl rust_main
    .thumb_func
_hang: b _hang
"#
);

#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
global_asm!(
    r#"
    .section .text.start,"ax",@progbits
    .global _start
_start:
    csrr t0, mhartid
    bnez t0, _park
    la sp, __stack_top
    li t0, 0x6000            // mstatus.FS
    csrs mstatus, t0
    la t0, __sbss
    la t1, __ebss
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b
2:  call rust_main
_park: wfi
    j _park
    .balign 16
    .option push
    .option norvc
    .global semihosting_call
semihosting_call:            // the three instructions that a debugger looks for
    slli x0, x0, 0x1f
    ebreak
    srai x0, x0, 7
    ret
    .option pop
"#
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    r#"
    .section .text.start,"ax",@progbits
    .global _start
_start:
    mov x0, #0x300000        // CPACR_EL1.FPEN
    msr cpacr_el1, x0
    isb
    ldr x0, =__stack_top
    mov sp, x0
    ldr x0, =__sbss
    ldr x1, =__ebss
1:  cmp x0, x1
    b.hs 2f
    str xzr, [x0], #8
    b 1b
2:  bl rust_main
3:  wfi
    b 3b
"#
);

#[cfg(target_arch = "s390x")]
global_asm!(
    r#"
    .section .text.start,"ax",@progbits
    .global _start
_start:
    lay %r15, -160(%r15)
    brasl %r14, rust_main
    j .
"#
);
