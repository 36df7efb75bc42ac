//! `bgp-vpn`.

use bgp_vpn::attr::{AsPathBuf, Attribute, ClusterId, ExtCommunity, ListBuf, MpReach, NextHop, Origin};
use bgp_vpn::message::{Header, MpPosition, Update, UpdateWriter, frame_len};
use bgp_vpn::nlri::mcast_vpn::{CMulticast, JoinNlri, McastVpnNlri, McastVpnRoute};
use bgp_vpn::nlri::{Family, Labels, Nlri, RouteDistinguisher, VpnNlri, WirePrefix};
use bgp_vpn::session::{Negotiated, PeerKind};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, Label};
use std::net::Ipv4Addr;

use crate::messages::{COMMON, Case, Digest, Form, fold};

/// Four-octet AS numbers and both VPN families with an internal peer.
pub fn negotiated() -> Negotiated {
    let mut negotiated = Negotiated { four_octet_as: true, ..Negotiated::baseline(PeerKind::Internal) };
    negotiated.families.extend([Family::VPN_IPV4, Family::VPN_IPV6, Family::MCAST_VPN_IPV4]);
    negotiated
}

/// Header, UPDATE with all checks, every attribute and NLRI read.
pub fn decode(form: Form, message: &[u8], negotiated: &Negotiated) -> Digest {
    assert_eq!(frame_len(message, negotiated.max_message_len), Ok(Some(message.len())));
    let update = Update::parse(&message[Header::LEN..], negotiated).unwrap();
    assert!(update.action().is_none());
    let mut d = Digest::default();
    let a = update.attributes();
    d.attribute(a.origin().unwrap() as u64);
    for segment in a.as_path().unwrap().segments() {
        segment.asns().for_each(|asn| d.attribute(u64::from(asn)));
    }
    d.attribute(u64::from(a.med().unwrap()));
    d.attribute(u64::from(a.local_pref().unwrap()));
    d.attribute(u64::from(a.originator_id().unwrap().to_bits()));
    a.cluster_list().unwrap().iter().for_each(|cluster| d.attribute(u64::from(cluster.0)));
    a.ext_communities().unwrap().iter().for_each(|community| d.community(community.0));
    let reach = update.mp_reach().unwrap();
    match reach.next_hop().unwrap() {
        NextHop::Ipv4(address) => d.attribute(u64::from(address.to_bits())),
        NextHop::Ipv6 { global, .. } => d.attribute(fold(global.to_bits())),
    }
    match form {
        Form::Vpn4 => {
            for nlri in reach.nlris::<VpnNlri<'_, Ipv4Prefix>>() {
                let n = nlri.unwrap();
                let rd = u64::from_be_bytes(n.rd.octets());
                d.route4(rd, n.labels.top().value(), n.prefix.bits(), n.prefix.bit_len());
            }
        }
        Form::Vpn6 => {
            for nlri in reach.nlris::<VpnNlri<'_, Ipv6Prefix>>() {
                let n = nlri.unwrap();
                let rd = u64::from_be_bytes(n.rd.octets());
                d.route6(rd, n.labels.top().value(), n.prefix.bits(), n.prefix.bit_len());
            }
        }
        Form::Join4 => joins(reach, &mut d),
    }
    d
}

/// Apart from the attributes, so that the sums stay in registers.
#[inline(never)]
fn joins(reach: &MpReach<'_>, digest: &mut Digest) {
    let mut d = *digest;
    for nlri in reach.nlris::<JoinNlri<'_, Ipv4Addr>>() {
        let JoinNlri::Joins { joins, .. } = nlri.unwrap() else { panic!("another route") };
        for n in joins.routes() {
            let rd = u64::from_be_bytes(n.rd.octets());
            d.join4(rd, n.source_as, n.source.to_bits(), n.group.to_bits());
        }
    }
    *digest = d;
}

/// A route in the types of `bgp-vpn`.
struct Owned<P> {
    label: [u8; 3],
    rd: RouteDistinguisher,
    prefix: P,
}

/// Values in our own types, from which [`Encoder::encode`] makes the message.
pub struct Encoder {
    negotiated: Negotiated,
    path: AsPathBuf,
    clusters: ListBuf<ClusterId>,
    communities: ListBuf<ExtCommunity>,
    routes4: Vec<Owned<Ipv4Prefix>>,
    routes6: Vec<Owned<Ipv6Prefix>>,
    joins: Vec<CMulticast<Ipv4Addr>>,
}

impl Encoder {
    pub fn new(case: &Case) -> Self {
        let mut encoder = Self {
            negotiated: negotiated(),
            path: AsPathBuf::sequence(COMMON.as_path),
            clusters: COMMON.clusters.into_iter().map(ClusterId).collect(),
            communities: COMMON.communities.into_iter().map(ExtCommunity).collect(),
            routes4: Vec::new(),
            routes6: Vec::new(),
            joins: Vec::new(),
        };
        for route in &case.routes {
            let label = Labels::encode(Label::new(route.label).unwrap());
            let rd = RouteDistinguisher::from_octets(route.rd);
            match case.form {
                Form::Vpn4 => {
                    let prefix = Ipv4Prefix::from_bits((route.bits >> 96) as u32, route.len).unwrap();
                    encoder.routes4.push(Owned { label, rd, prefix });
                }
                Form::Vpn6 => {
                    let prefix = Ipv6Prefix::from_bits(route.bits, route.len).unwrap();
                    encoder.routes6.push(Owned { label, rd, prefix });
                }
                Form::Join4 => {
                    let source = Ipv4Addr::from_bits((route.bits >> 96) as u32);
                    let group = Ipv4Addr::from_bits((route.bits >> 64) as u32);
                    encoder.joins.push(CMulticast { rd, source_as: route.label, source, group });
                }
            }
        }
        encoder
    }

    /// Writes the whole message, attributes included, into `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let attributes = [
            Attribute::Origin(Origin::Igp),
            Attribute::AsPath(self.path.as_path()),
            Attribute::MultiExitDisc(COMMON.med),
            Attribute::LocalPref(COMMON.local_pref),
            Attribute::OriginatorId(COMMON.originator),
            Attribute::ClusterList(self.clusters.as_list()),
            Attribute::ExtCommunities(self.communities.as_list()),
        ];
        let next_hop4 = NextHop::Ipv4(COMMON.next_hop4);
        if !self.joins.is_empty() {
            let nlris = self.joins.iter().map(|join| McastVpnNlri::new(McastVpnRoute::SourceTreeJoin(*join)));
            self.write(Family::MCAST_VPN_IPV4, next_hop4, nlris, &attributes, out);
        } else if self.routes6.is_empty() {
            self.write(Family::VPN_IPV4, next_hop4, self.routes4.iter().map(vpn), &attributes, out);
        } else {
            let next_hop = NextHop::Ipv6 { global: COMMON.next_hop6, link_local: None };
            self.write(Family::VPN_IPV6, next_hop, self.routes6.iter().map(vpn), &attributes, out);
        }
    }

    #[inline(always)]
    fn write<'n, N: Nlri<'n>>(
        &self,
        family: Family,
        next_hop: NextHop,
        nlris: impl Iterator<Item = N>,
        attributes: &[Attribute<'_>],
        out: &mut Vec<u8>,
    ) {
        let position = MpPosition::ByType;
        let mut writer = UpdateWriter::announce(out, &self.negotiated, family, next_hop, attributes, position).unwrap();
        for nlri in nlris {
            assert!(writer.push(&nlri));
        }
        writer.finish();
    }
}

fn vpn<P: WirePrefix>(route: &Owned<P>) -> VpnNlri<'_, P> {
    let labels = Labels::from_octets(&route.label).unwrap();
    VpnNlri { path_id: None, labels, rd: route.rd, prefix: route.prefix }
}
