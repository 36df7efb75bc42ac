//! Tests against real routers in network namespaces. They need root, FRR, GoBGP, BIRD, OpenBGPD, tcpdump and tshark;
//! `ci/live.sh` installs them.

use std::time::Duration;

mod baseline;
mod bird;
mod capture;
mod core_captures;
mod customer;
mod exabgp;
mod flood;
#[cfg(feature = "freertr")]
mod freertr;
mod frr;
mod gobgp;
mod ike;
mod inter_as;
mod interop;
mod l2tp;
mod ldp;
mod manage;
mod mpls_pe;
mod net;
mod openbgpd;
mod oracle;
mod oracle_tcp_ao;
mod ours;
mod partition;
mod pim;
mod port;
mod raw;
mod reflection;
mod refresh;
mod restart;
mod route;
mod running;
mod security;
mod services;
mod strongswan;
mod transport_mode;
mod uml;
mod unknown;
mod vpls;

/// How long a router may take to do what it surely does.
const PATIENCE: Duration = Duration::from_secs(45);
