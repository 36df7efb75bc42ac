//! Label distribution: scripts per procedure of RFC 5036 Appendix A, networks against the IGP, arbitrary stimuli.

mod net;
mod network;
mod script;
mod scripts;
