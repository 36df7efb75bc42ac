//! Path attributes, one file per attribute.

pub mod ext_community;
