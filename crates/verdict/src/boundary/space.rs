//! What part of the internet an address or a name belongs to.
//!
//! Knows the registries of special addresses (IANA, and the metadata services of the clouds), and no policy.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Anyone's.
    Public,
    /// This machine.
    Loopback,
    /// A network of one's own.
    Private,
    /// The same cable.
    LinkLocal,
    /// Between a provider and its customers.
    Cgnat,
    /// A cloud's service that hands out credentials.
    Metadata,
    /// Many machines at once.
    Multicast,
    /// Every machine on the cable.
    Broadcast,
    /// No address; many systems take it for this machine.
    Unspecified,
    /// For examples in texts.
    Documentation,
    /// Nobody's yet, or for tests.
    Reserved,
}

impl Space {
    /// For a sentence: `a loopback address`.
    pub fn described(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "this machine",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Cgnat => "an address inside of a provider's network",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Unspecified => "the unspecified address, which is often this machine",
            Self::Documentation => "an address for examples",
            Self::Reserved => "a reserved address",
        }
    }
}

/// What `address` is for; if it carries an IPv4 address, what that is for.
pub fn space(address: IpAddr) -> Space {
    match address {
        IpAddr::V4(v4) => space_v4(v4),
        IpAddr::V6(v6) => match (space_v6(v6), embedded(v6)) {
            (Space::Public | Space::Reserved, Some(v4)) => space_v4(v4),
            (of_v6, _) => of_v6,
        },
    }
}

fn space_v4(v4: Ipv4Addr) -> Space {
    match v4.octets() {
        // AWS, GCP, Azure and most others; ECS and EKS; Alibaba; Azure's host; Oracle's first.
        [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [169, 254, 42, 42] => Space::Metadata,
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Space::Metadata,
        [0, ..] => Space::Unspecified,
        [127, ..] => Space::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Space::Private,
        [169, 254, ..] => Space::LinkLocal,
        [100, 64..=127, ..] => Space::Cgnat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Space::Documentation,
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Space::Reserved,
        [255, 255, 255, 255] => Space::Broadcast,
        [224..=239, ..] => Space::Multicast,
        [240..=255, ..] => Space::Reserved,
        _ => Space::Public,
    }
}

fn space_v6(v6: Ipv6Addr) -> Space {
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Space::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Space::Loopback,
        // AWS, AWS pods, GCP, Scaleway.
        [0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254 | 0x23]
        | [0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254]
        | [0xFD00, 0x42, 0, 0, 0, 0, 0, 0x42] => Space::Metadata,
        // Translation inside of one's own network.
        [0x64, 0xFF9B, 1, ..] | [0xFC00..=0xFDFF, ..] | [0xFEC0..=0xFEFF, ..] => Space::Private,
        [0xFE80..=0xFEBF, ..] => Space::LinkLocal,
        [0xFF00..=0xFFFF, ..] => Space::Multicast,
        [0x2001, 0xDB8, ..] | [0x3FFF, 0..=0xFFF, ..] => Space::Documentation,
        [0x2000..=0x3FFF, ..] => Space::Public,
        _ => Space::Reserved,
    }
}

/// The IPv4 address inside of an IPv6 one: mapped, translated and compatible forms, NAT64, 6to4, Teredo,
/// ISATAP.
pub fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let joined = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xFFFF, a, b] | [0, 0, 0, 0, 0xFFFF, 0, a, b] => Some(joined(a, b)),
        [0x64, 0xFF9B, 0, 0, 0, 0, a, b] | [0x64, 0xFF9B, 1, _, _, _, a, b] => Some(joined(a, b)),
        [0x2002, a, b, ..] => Some(joined(a, b)),
        [0x2001, 0, _, _, _, _, a, b] => Some(joined(!a, !b)),
        [_, _, _, _, 0 | 0x200, 0x5EFE, a, b] => Some(joined(a, b)),
        _ => None,
    }
}

/// Names of metadata services.
const METADATA: [&str; 12] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "metadata.udhcpc.internal",
    "rancher-metadata",
    "metadata.nicira.eu",
];

/// Endings that only one's own name servers know.
const OWN: [&str; 12] = [
    "internal",
    "local",
    "lan",
    "home",
    "home.arpa",
    "intranet",
    "corp",
    "private",
    "localdomain",
    "domain",
    "svc",
    "consul",
];

/// What a name (lower case, no trailing dot) says of where it leads before anybody has asked: a metadata
/// service, this machine, one's own network. Nothing for a name like any other.
pub fn space_of_name(name: &str) -> Option<Space> {
    if METADATA.contains(&name) {
        return Some(Space::Metadata);
    }
    let Some((before, last)) = name.rsplit_once('.') else {
        let is_loopback = matches!(name, "localhost" | "loopback" | "ip6-localhost" | "ip6-loopback");
        return Some(if is_loopback { Space::Loopback } else { Space::Private });
    };
    match last {
        "localhost" => Some(Space::Loopback),
        "localdomain" if before == "localhost" => Some(Space::Loopback),
        "arpa" => (before == "home" || before.ends_with(".home")).then_some(Space::Private),
        _ => OWN.contains(&last).then_some(Space::Private),
    }
}
