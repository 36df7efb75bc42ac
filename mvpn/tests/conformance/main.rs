//! Scripts of stimulus and response, one directory per RFC section.

mod bsr;
mod gmp;
mod gmp_router;
mod msdp;
mod pim_fsm;
mod pim_neighbor;

#[allow(dead_code)]
#[path = "../gmp/lan.rs"]
mod lan;
#[allow(dead_code)]
#[path = "../pim/one.rs"]
mod one;
