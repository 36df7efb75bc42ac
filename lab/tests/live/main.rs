//! Tests against real routers in network namespaces. They need root, FRR, GoBGP, BIRD, OpenBGPD, tcpdump and tshark;
//! `ci/live.sh` installs them.

#[allow(dead_code)]
mod net;
