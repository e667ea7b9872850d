//! Addresses inside addresses, and inside names.
//!
//! Says what is embedded, not whether it may be reached.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use verdict::boundary::embedded;

/// Domains whose names resolve to the address that they spell. Anyone may use them to point at anything.
const EMBEDDING: [&str; 16] = [
    "nip.io",
    "sslip.io",
    "xip.io",
    "xip.name",
    "ip6.name",
    "traefik.me",
    "backname.io",
    "1u.ms",
    "rbndr.us",
    "plex.direct",
    "local-ip.co",
    "local-ip.sh",
    "local-ip.medicmobile.org",
    "ipq.co",
    "nip.direct",
    "ip.addr.tools",
];
/// Domains that resolve to this machine, with everything below them.
const LOOPBACK: [&str; 16] = [
    "localhost",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "fuf.me",
    "local.gd",
    "yoogle.com",
    "ulh.us",
    "127-0-0-1.org.uk",
    "localho.st",
    "local.nu",
    "smackaho.st",
    "42foo.com",
    "beweb.com",
    "loopback.jp",
];

/// The IPv4 address that `address` carries, if it carries one; else itself.
pub fn unwrapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
    }
}

/// An IPv6 address without brackets, with or without a zone.
pub fn bare_v6(text: &str) -> Option<Ipv6Addr> {
    let text = text.split('%').next().unwrap_or_default();
    if !text.contains("::") && text.matches(':').count() != 7 && text.matches(':').count() != 6 {
        return None;
    }
    text.parse().ok()
}

/// The address that a name is known to lead to because it says so.
pub fn in_name(name: &str) -> Option<IpAddr> {
    let is_below = |domain: &str| {
        name.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    if LOOPBACK.iter().any(|domain| is_below(domain)) {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let domain = EMBEDDING.iter().find(|domain| is_below(domain))?;
    spelled(name.strip_suffix(domain)?.trim_end_matches('.'))
}

/// The last address that the labels of a name spell: `a.10.0.0.1`, `a-10-0-0-1`, `0a000001`, `fe80--1`.
fn spelled(text: &str) -> Option<IpAddr> {
    let parts: Vec<&str> = text.split(['.', '-']).collect();
    let four = parts.windows(4).rev().find_map(|four| match four {
        [a, b, c, d] => {
            Some(Ipv4Addr::new(a.parse().ok()?, b.parse().ok()?, c.parse().ok()?, d.parse().ok()?))
        }
        _ => None,
    });
    if let Some(v4) = four {
        return Some(v4.into());
    }
    let hex =
        parts.iter().rev().filter(|part| part.len() == 8).find_map(|part| u32::from_str_radix(part, 16).ok());
    if let Some(bits) = hex {
        return Some(Ipv4Addr::from_bits(bits).into());
    }
    let v6 = text.rsplit('.').find_map(|label| label.replace('-', ":").parse::<Ipv6Addr>().ok())?;
    Some(unwrapped(v6.into()))
}
