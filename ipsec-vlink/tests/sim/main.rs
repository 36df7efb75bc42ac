//! Virtual links between routers, with IKE and L2TP by their own messages: each architecture with its pros and cons, as the
//! draft has them (draft-duffy §6).

mod alive;
mod attacks;
mod ce;
mod contexts;
mod duplicates;
mod nat;
mod policy;
mod replicated;
mod router;
mod scale;
mod spy;
mod state;
mod wire;
mod world;
