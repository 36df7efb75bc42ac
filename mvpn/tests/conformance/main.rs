//! Scripts of stimulus and response, one directory per RFC section.

mod bsr;
mod gmp;
mod msdp;
mod pim_fsm;
