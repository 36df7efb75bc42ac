//! A VPN route as any of the peers shows it.

use std::net::IpAddr;

/// One VPN path. Texts are those that all peers print alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Route distinguisher, `65001:1`.
    pub rd: String,
    /// The customer's prefix.
    pub prefix: String,
    /// The VPN label.
    pub label: u64,
    /// The next hop without its RD; IPv4 where it is an IPv4-mapped IPv6 address.
    pub next_hop: IpAddr,
    /// Route targets, `65001:100`, in order.
    pub targets: Vec<String>,
}

impl Route {
    /// A path with the one route target that these tests use.
    pub fn new(rd: &str, prefix: &str, label: u64, next_hop: impl Into<IpAddr>) -> Self {
        Self { rd: rd.into(), prefix: prefix.into(), label, next_hop: next_hop.into(), targets: vec![TARGET.into()] }
    }

    /// Whether it is a VPN-IPv6 path.
    pub fn is_v6(&self) -> bool {
        self.prefix.contains(':')
    }
}

/// The route target of the VPN that these tests provide.
pub const TARGET: &str = "65001:100";
/// The AS of the provider.
pub const ASN: u32 = 65001;

/// A router that can be asked for its VPN routes.
pub trait Router {
    /// What it is, for messages.
    fn name(&self) -> &'static str;
    /// All VPN paths of both families that it learnt or originated, without those it does not show a label or next hop for.
    fn routes(&self) -> Result<Vec<Route>, String>;

    /// Waits until the router shows exactly this path (and maybe others).
    fn expect(&self, wanted: &Route) {
        super::net::until(&format!("{} shows {wanted:?}", self.name()), super::PATIENCE, || {
            let routes = self.routes()?;
            if routes.contains(wanted) { Ok(()) } else { Err(format!("it shows {routes:#?}")) }
        });
    }

    /// Waits until the router shows no path with this RD.
    fn expect_none(&self, rd: &str) {
        super::net::until(&format!("{} shows nothing of {rd}", self.name()), super::PATIENCE, || {
            let routes = self.routes()?;
            if routes.iter().all(|r| r.rd != rd) { Ok(()) } else { Err(format!("it shows {routes:#?}")) }
        });
    }
}
