//! Routes and attributes of the service families, as `lab decode` shows them.

use std::fmt::{Debug, Display};
use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_vpn::attr::{AttrType, Attributes, PmsiTunnel};
use bgp_vpn::nlri::evpn::EvpnRoute;
use bgp_vpn::nlri::mcast_vpn::{CAddress, CGroup, LeafAd, McastVpnRoute, SPmsiAd};
use bgp_vpn::nlri::{
    EvpnNlri, Family, McastVplsNlri, McastVplsRoute, McastVpnNlri, MdtNlri, Nlri, NlriFormat, Nlris, PathId,
    RtMembershipNlri, VplsNlri, VplsRoute, VpnMulticastNlri,
};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use serde_json::{Value, json};

use super::hex;

/// The routes of a field of NLRI, up to the first that is malformed; `None` for a family that is not known here.
pub(super) fn routes(family: Family, octets: &[u8], format: NlriFormat) -> Option<Value> {
    Some(match family {
        Family::MCAST_VPN_IPV4 => each(octets, format, mcast_vpn::<Ipv4Addr>),
        Family::MCAST_VPN_IPV6 => each(octets, format, mcast_vpn::<Ipv6Addr>),
        Family::MCAST_VPLS => each(octets, format, mcast_vpls),
        Family::VPLS => each(octets, format, vpls),
        Family::EVPN => each(octets, format, evpn),
        Family::RT_CONSTRAINT => {
            each(octets, format, |n: RtMembershipNlri| with_path(json!(n.membership.to_string()), n.path_id))
        }
        Family::MDT => each(octets, format, |n: MdtNlri| {
            let text = format!("rd {} pe {} group {}", n.rd, n.pe, n.group);
            with_path(text.into(), n.path_id)
        }),
        Family::VPN_IPV4_MULTICAST => each(octets, format, vpn_multicast::<Ipv4Prefix>),
        Family::VPN_IPV6_MULTICAST => each(octets, format, vpn_multicast::<Ipv6Prefix>),
        _ => return None,
    })
}

fn each<'a, N: Nlri<'a>>(octets: &'a [u8], format: NlriFormat, show: impl Fn(N) -> Value) -> Value {
    Nlris::new(octets, format).map_while(Result::ok).map(show).collect()
}

/// The route with its path identifier, where it has one.
fn with_path(route: Value, id: Option<PathId>) -> Value {
    match (route, id) {
        (Value::String(text), Some(id)) => format!("{text} path {}", id.0).into(),
        (Value::Object(mut fields), Some(id)) => {
            fields.insert("path".into(), id.0.into());
            Value::Object(fields)
        }
        (route, _) => route,
    }
}

fn vpn_multicast<P: Display>(nlri: VpnMulticastNlri<P>) -> Value {
    with_path(format!("{} rd {}", nlri.prefix, nlri.rd).into(), nlri.path_id)
}

fn source<A: Display>(source: Option<A>) -> String {
    source.map_or_else(|| "*".to_owned(), |address| address.to_string())
}

fn group<A: Display>(group: CGroup<A>) -> String {
    match group {
        CGroup::Any => "*".to_owned(),
        CGroup::AnyBidir => "*-bidir".to_owned(),
        CGroup::Group(address) => address.to_string(),
    }
}

fn s_pmsi<A: Display>(route: SPmsiAd<A>) -> Value {
    json!({
        "type": "s-pmsi-ad",
        "rd": route.rd.to_string(),
        "source": source(route.source),
        "group": group(route.group),
        "originator": route.originator.to_string(),
    })
}

fn leaf(route: LeafAd<'_>) -> Value {
    let key = match route.global_table_key() {
        Some(key) => json!({
            "tree": if key.is_shared_tree { "shared" } else { "source" },
            "source": key.source.to_string(),
            "group": key.group.to_string(),
            "ingress": key.ingress.to_string(),
        }),
        None => hex(route.route_key).into(),
    };
    json!({"type": "leaf-ad", "route_key": key, "originator": route.originator.to_string()})
}

fn mcast_vpn<A: CAddress>(nlri: McastVpnNlri<'_, A>) -> Value {
    let value = match nlri.route {
        McastVpnRoute::IntraAsIPmsiAd(r) => json!({
            "type": "intra-as-i-pmsi-ad", "rd": r.rd.to_string(), "originator": r.originator.to_string(),
        }),
        McastVpnRoute::InterAsIPmsiAd(r) => json!({
            "type": "inter-as-i-pmsi-ad", "rd": r.rd.to_string(), "source_as": r.source_as,
        }),
        McastVpnRoute::SPmsiAd(r) => s_pmsi(r),
        McastVpnRoute::LeafAd(r) | McastVpnRoute::MldpLeafAd(r) => leaf(r),
        McastVpnRoute::SourceActiveAd(r) => json!({
            "type": "source-active-ad",
            "rd": r.rd.to_string(),
            "source": r.source.to_string(),
            "group": r.group.to_string(),
        }),
        McastVpnRoute::SharedTreeJoin(r) | McastVpnRoute::SourceTreeJoin(r) => json!({
            "type": if matches!(nlri.route, McastVpnRoute::SharedTreeJoin(_)) { "shared-tree-join" } else { "source-tree-join" },
            "rd": r.rd.to_string(),
            "source_as": r.source_as,
            "source": r.source.to_string(),
            "group": r.group.to_string(),
        }),
        McastVpnRoute::MldpSPmsiAd(r) => json!({
            "type": "mldp-s-pmsi-ad",
            "rd": r.rd.to_string(),
            "fec": format!("{:?}", r.fec),
            "originator": r.originator.to_string(),
        }),
        McastVpnRoute::MldpSourceTreeJoin(r) => json!({
            "type": "mldp-source-tree-join",
            "rd": r.rd.to_string(),
            "source_as": r.source_as,
            "fec": format!("{:?}", r.fec),
        }),
        McastVpnRoute::Other { route_type, body } => json!({"type": route_type.0, "octets": hex(body)}),
    };
    with_path(value, nlri.path_id)
}

fn mcast_vpls(nlri: McastVplsNlri<'_>) -> Value {
    let value = match nlri.route {
        McastVplsRoute::SPmsiAd(route) => s_pmsi(route),
        McastVplsRoute::LeafAd(route) => leaf(route),
        McastVplsRoute::Other { route_type, body } => json!({"type": route_type.0, "octets": hex(body)}),
    };
    with_path(value, nlri.path_id)
}

fn vpls(nlri: VplsNlri<'_>) -> Value {
    let value = match nlri.route {
        VplsRoute::VeBlock(block) => json!({
            "type": "label-block",
            "rd": block.rd.to_string(),
            "ve_id": block.ve_id,
            "offset": block.offset,
            "size": block.size,
            "label_base": block.first_label().value(),
            "tlvs": hex(block.tlvs),
        }),
        VplsRoute::AutoDiscovery { rd, pe } => {
            json!({"type": "auto-discovery", "rd": rd.to_string(), "pe": pe.to_string()})
        }
        VplsRoute::Other(octets) => json!({"type": "other", "octets": hex(octets)}),
    };
    with_path(value, nlri.path_id)
}

fn text(value: impl Debug) -> Value {
    format!("{value:?}").into()
}

fn evpn(nlri: EvpnNlri<'_>) -> Value {
    let value = match nlri.route {
        EvpnRoute::EthernetAd { rd, esi, tag, label } => json!({
            "type": "ethernet-ad", "rd": rd.to_string(), "esi": text(esi), "tag": tag, "label": label.vni(),
        }),
        EvpnRoute::MacIp { rd, esi, tag, mac, ip, label, label2 } => json!({
            "type": "mac-ip",
            "rd": rd.to_string(),
            "esi": text(esi),
            "tag": tag,
            "mac": text(mac),
            "ip": ip.map(|ip| ip.to_string()),
            "label": label.vni(),
            "label2": label2.map(|label| label.vni()),
        }),
        EvpnRoute::InclusiveMulticast { rd, tag, originator } => json!({
            "type": "inclusive-multicast", "rd": rd.to_string(), "tag": tag, "originator": originator.to_string(),
        }),
        EvpnRoute::EthernetSegment { rd, esi, originator } => json!({
            "type": "ethernet-segment", "rd": rd.to_string(), "esi": text(esi), "originator": originator.to_string(),
        }),
        EvpnRoute::IpPrefix { rd, esi, tag, bits, prefix, gateway, label } => json!({
            "type": "ip-prefix",
            "rd": rd.to_string(),
            "esi": text(esi),
            "tag": tag,
            "prefix": format!("{prefix}/{bits}"),
            "gateway": gateway.to_string(),
            "label": label.vni(),
        }),
        EvpnRoute::Other { route_type, body } => json!({"type": route_type.0, "octets": hex(body)}),
    };
    with_path(value, nlri.path_id)
}

/// The value of an attribute of the service families; `None`: another, or malformed.
pub(super) fn attribute(attr_type: AttrType, a: &Attributes<'_>) -> Option<Value> {
    Some(match attr_type {
        AttrType::PMSI_TUNNEL => {
            let PmsiTunnel { flags, label, tunnel } = a.pmsi_tunnel()?;
            json!({
                "flags": format!("{:#04x}", flags.bits()),
                "label": label.label().map(|label| label.value()),
                "tunnel": text(tunnel),
            })
        }
        AttrType::TUNNEL_ENCAPSULATION => {
            let tunnels = a.tunnel_encapsulation()?;
            tunnels
                .tunnels()
                .map(|tunnel| {
                    let parts: Value = tunnel.sub_tlvs().map(text).collect();
                    json!({"tunnel": tunnel.tunnel_type.0, "sub_tlvs": parts})
                })
                .collect()
        }
        AttrType::PE_DISTINGUISHER_LABELS => {
            let labels = a.pe_distinguisher_labels()?;
            let entries = |ipv6| labels.entries(ipv6).map(|(pe, label)| format!("{pe} {label:?}")).collect::<Vec<_>>();
            entries(labels.octets().len() % 7 != 0).into()
        }
        AttrType::BFD_DISCRIMINATOR => {
            let bfd = a.bfd_discriminator()?;
            let source = bfd.source().map(|source| source.to_string());
            json!({"mode": bfd.mode, "discriminator": bfd.discriminator, "source": source})
        }
        AttrType::PREFIX_SID => a.prefix_sid()?.tlvs().map(text).collect(),
        AttrType::ATTR_SET => {
            let set = a.attr_set()?;
            json!({"origin_as": set.origin_as, "attributes": hex(set.octets)})
        }
        _ => return None,
    })
}
