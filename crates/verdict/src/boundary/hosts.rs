//! Which machines may be talked to: names, addresses and networks with their ports, and whether those of one's
//! own network are among them.
//!
//! Knows canonical hosts only. What a name resolves to stands in the target, if somebody looked.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;

use super::space::{Space, embedded, space, space_of_name};
use super::{Breach, listed};
use crate::effect::{Effect, HostTarget, Target};

/// The `hosts:` of a boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Absent: every host that is not denied.
    allow: Option<Vec<Pattern>>,
    deny: Vec<Pattern>,
    private: bool,
}

/// A host, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    what: What,
    port: Port,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Any,
    /// The name itself.
    Name(String),
    /// Names with one or more labels before this ending, which starts with a dot.
    Below(String),
    /// The address and how many of its bits count.
    Net(IpAddr, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// None was written: 443 and 80.
    Web,
    One(u16),
    Any,
}

impl Hosts {
    /// `allow` and `deny` hold `name`, `*.name` (one label or more before it), `10.0.0.0/8`, `::1`, `*`, each
    /// with `:port` or `:*` behind it if ports matter; IPv6 in brackets then. An allowed host without a port
    /// is allowed at 443 and 80, a denied one is denied at all. Without `allow`, every host is allowed.
    ///
    /// `private` false (the default of policies) refuses machines of one's own network, this machine and the
    /// metadata services of clouds, spelled or resolved, unless `allow` names that address or network itself.
    /// A name that only one's own servers know (`localhost`, `db`, `db.internal`) may be named instead; then
    /// it may also resolve to private addresses.
    ///
    /// # Errors
    /// A sentence, for what is no host.
    pub fn new<S: AsRef<str>>(allow: Option<&[S]>, deny: &[S], private: bool) -> Result<Self, String> {
        let patterns = |list: &[S], port| {
            list.iter().map(|text| Pattern::new(text.as_ref(), port)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            allow: allow.map(|list| patterns(list, Port::Web)).transpose()?,
            deny: patterns(deny, Port::Any)?,
            private,
        })
    }

    /// True if it matters what names resolve to.
    pub(super) fn asks_for_addresses(&self) -> bool {
        !self.private || self.deny.iter().any(|pattern| matches!(pattern.what, What::Net(..)))
    }

    pub(super) fn breach(&self, effect: &Effect) -> Option<Breach> {
        if effect.kind != "net.connect" {
            return None;
        }
        let Target::Host(host) = &effect.target else { return self.unknown() };
        if let Some(pattern) = self.deny.iter().find(|pattern| pattern.covers(host)) {
            let reason = format!("`{host}` is out of bounds as `{pattern}`");
            return Some(Breach::new("hosts.deny", reason));
        }
        self.own_network(host).or_else(|| self.not_allowed(host))
    }

    fn unknown(&self) -> Option<Breach> {
        let why = "it is not known which host it would reach";
        match &self.allow {
            Some(allow) => Some(Breach::new("hosts.allow", format!("{why}; it may reach {}", listed(allow)))),
            None if self.private && self.deny.is_empty() => None,
            None if self.private => Some(Breach::new("hosts.deny", why.to_owned())),
            None => {
                Some(Breach::new("hosts.private_addresses", format!("{why}, and it may be a private one")))
            }
        }
    }

    /// Refuses machines of one's own, by name and by every address.
    fn own_network(&self, host: &HostTarget) -> Option<Breach> {
        if self.private {
            return None;
        }
        let by_name = match host.address {
            None => space_of_name(&host.host),
            Some(_) => space_of_name(&host.host).filter(|_| !is_literal(host)),
        };
        let is_named = by_name.is_some() && self.names(host);
        if let Some(found) = by_name.filter(|_| !is_named) {
            // A bare name that turns out to be anyone's is anyone's.
            let is_public = found == Space::Private
                && !host.resolved.is_empty()
                && host.resolved.iter().all(|it| space(*it) == Space::Public);
            if !is_public {
                return Some(private(host, None, found));
            }
        }
        host.address.iter().chain(&host.resolved).chain(&literal(host)).find_map(|address| {
            let found = space(*address);
            let is_admitted = found == Space::Public
                || self.lists(*address, found)
                || is_named && matches!(found, Space::Private | Space::Loopback | Space::Cgnat);
            (!is_admitted).then(|| private(host, Some(*address), found))
        })
    }

    /// Whether `allow` has this very name, at this port.
    fn names(&self, host: &HostTarget) -> bool {
        self.allow.iter().flatten().any(|pattern| {
            matches!(&pattern.what, What::Name(name) if *name == host.host) && pattern.port.takes(host.port)
        })
    }

    /// Whether `allow` has this address, or a network that is all of its kind: `0.0.0.0/0` means no private
    /// address in particular.
    fn lists(&self, address: IpAddr, found: Space) -> bool {
        self.allow.iter().flatten().any(|pattern| match pattern.what {
            What::Net(net, bits) => {
                in_net(address, net, bits) && {
                    let last = last_of(net, bits);
                    space(net) == found && space(last) == found || bits == width(net)
                }
            }
            _ => false,
        })
    }

    fn not_allowed(&self, host: &HostTarget) -> Option<Breach> {
        let allow = self.allow.as_ref()?;
        if let Some(odd) = &host.odd {
            return Some(Breach::new("hosts.allow", format!("`{host}` was spelled to be misread: {odd}")));
        }
        if allow.iter().any(|pattern| pattern.admits(host)) {
            return None;
        }
        Some(Breach::new("hosts.allow", format!("it may not reach `{host}`; it may reach {}", listed(allow))))
    }
}

fn private(host: &HostTarget, address: Option<IpAddr>, found: Space) -> Breach {
    let described = found.described();
    let reason = match address {
        Some(address) if address.to_string() != host.host => {
            format!("`{host}` leads to `{address}`, {described}, which is not allowed by its address")
        }
        _ => format!("`{host}` is {described}, which is not allowed by its address"),
    };
    Breach::new("hosts.private_addresses", reason)
}

/// The address that the host is, if it is one.
fn literal(host: &HostTarget) -> Option<IpAddr> {
    host.address?;
    host.host.parse().ok()
}

fn is_literal(host: &HostTarget) -> bool {
    literal(host).is_some()
}

impl Pattern {
    /// `port` is what it stands for without one.
    fn new(text: &str, port: Port) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        if lower.contains("//") || lower.contains('@') {
            return Err(format!("`{text}` is a URL; write the host alone, with its port if that matters"));
        }
        let (host, port) =
            split_port(&lower, port).ok_or_else(|| format!("the port of `{text}` is no port"))?;
        let what = What::new(host).ok_or_else(|| {
            format!("`{text}` is no host: write a name in ASCII, `*.name`, an address or a network")
        })?;
        Ok(Self { text: text.trim().to_owned(), what, port })
    }

    fn admits(&self, host: &HostTarget) -> bool {
        self.port.takes(host.port) && self.takes(host)
    }

    /// For refusals: what a name resolves to counts, and a port that is not known may be the one.
    fn covers(&self, host: &HostTarget) -> bool {
        let by_address = match self.what {
            What::Net(net, bits) => {
                host.address.iter().chain(&host.resolved).any(|address| in_net(*address, net, bits))
            }
            _ => false,
        };
        (host.port.is_none() || self.port.takes(host.port)) && (by_address || self.takes(host))
    }

    fn takes(&self, host: &HostTarget) -> bool {
        match &self.what {
            What::Any => true,
            What::Name(name) => host.host == *name,
            What::Below(ending) => host.host.len() > ending.len() && host.host.ends_with(ending.as_str()),
            What::Net(net, bits) => literal(host).is_some_and(|address| in_net(address, *net, *bits)),
        }
    }
}

impl What {
    fn new(host: &str) -> Option<Self> {
        if host == "*" {
            return Some(Self::Any);
        }
        if let Some((net, bits)) = host.split_once('/') {
            let net = unbracketed(net).parse::<IpAddr>().ok()?;
            let bits = bits.parse::<u32>().ok().filter(|bits| *bits <= width(net))?;
            return Some(Self::Net(net, bits));
        }
        if let Ok(address) = unbracketed(host).parse::<IpAddr>() {
            return Some(Self::Net(address, width(address)));
        }
        let (is_below, name) = match host.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, host),
        };
        let name = name.trim_end_matches('.');
        let is_name = !name.is_empty()
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            })
            // A number at the end is an address that is spelled wrong.
            && name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
        match (is_name, is_below) {
            (false, _) => None,
            (true, true) => Some(Self::Below(format!(".{name}"))),
            (true, false) => Some(Self::Name(name.to_owned())),
        }
    }
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// Host and port of a pattern; nothing if the port is none.
fn split_port(text: &str, default: Port) -> Option<(&str, Port)> {
    let is_bare_v6 = !text.starts_with('[') && text.matches(':').count() > 1;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !is_bare_v6 && !port.contains([']', '/']) => (host, port),
        _ => return Some((text, default)),
    };
    match port {
        "*" => Some((host, Port::Any)),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0).map(|port| (host, Port::One(port)))
        }
        _ => None,
    }
}

impl Port {
    /// A port that is not known is one of the usual ones, not a particular one.
    fn takes(self, port: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::Web => matches!(port, None | Some(443 | 80)),
            Self::One(own) => port == Some(own),
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether `address`, or the IPv4 address that it carries, is in the network.
fn in_net(address: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (address, net) {
        (IpAddr::V4(address), IpAddr::V4(net)) => {
            (address.to_bits() ^ net.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(net)) => {
            (address.to_bits() ^ net.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V4(_)) => {
            embedded(address).is_some_and(|inner| in_net(IpAddr::V4(inner), net, bits))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    }
}

/// The last address of a network.
fn last_of(net: IpAddr, bits: u32) -> IpAddr {
    match net {
        IpAddr::V4(v4) => (v4.to_bits() | u32::MAX.checked_shr(bits).unwrap_or(0)).to_be_bytes().into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() | u128::MAX.checked_shr(bits).unwrap_or(0)).into(),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
