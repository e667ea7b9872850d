//! A connection to the machine that was looked at.
//!
//! Answerable for names being resolved here, for all their addresses being looked at before any is connected to, and
//! for connecting to one of those: a name that resolves to another address a moment later gains nothing.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use verdict::Address;
use verdict::boundary::{Space, space, space_of_name};

use super::fault::{Fault, Why};

/// How long one of several addresses may take.
const ONE: Duration = Duration::from_secs(5);
/// The most addresses that are tried.
const MOST: usize = 8;

/// Connects by `deadline`. Whatever goes wrong here, nothing has been sent.
pub(super) async fn connect(address: &Address, private: bool, deadline: Instant) -> Result<TcpStream, Fault> {
    let found = resolve(address, private, deadline).await?;
    let mut last = None;
    for ip in found.into_iter().take(MOST) {
        let until = deadline.min(Instant::now() + ONE);
        match timeout_at(until, TcpStream::connect(SocketAddr::new(ip, address.port))).await {
            Ok(Ok(stream)) => {
                // Requests are written whole; waiting for more would only cost time.
                let _slower = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(error.kind().to_string()),
            Err(_) => last = Some("it does not answer".to_owned()),
        }
    }
    let why = last.unwrap_or_else(|| "it has no address".to_owned());
    Err(Fault::new(
        Why::Unreachable,
        format!("no connection to `{}` could be made: {why}", address.authority()),
    ))
}

/// Every address of the host, each of them one that may be called.
async fn resolve(address: &Address, private: bool, deadline: Instant) -> Result<Vec<IpAddr>, Fault> {
    let host = address.host.as_str();
    if let Ok(ip) = host.parse::<IpAddr>() {
        may_call(host, ip, private)?;
        return Ok(vec![ip]);
    }
    if space_of_name(host) == Some(Space::Metadata) {
        return Err(refused(host, "a cloud's metadata service"));
    }
    let unresolved =
        |why: &str| Fault::new(Why::Unreachable, format!("the name `{host}` could not be resolved: {why}"));
    let found = timeout_at(deadline, tokio::net::lookup_host((host, address.port))).await;
    let found = found
        .map_err(|_| unresolved("it took too long"))?
        .map_err(|_| unresolved("there is no such name"))?;
    let found: Vec<IpAddr> = found.map(|it| it.ip()).collect();
    // One address that may not be called spoils the name: which of them is used is not for a name server to choose.
    found.iter().try_for_each(|ip| may_call(host, *ip, private))?;
    Ok(found)
}

fn may_call(host: &str, ip: IpAddr, private: bool) -> Result<(), Fault> {
    match space(ip) {
        Space::Metadata | Space::Multicast | Space::Broadcast | Space::Unspecified => {
            Err(refused(host, space(ip).described()))
        }
        Space::Public if private || !is_own(ip) => Ok(()),
        Space::Public => Err(refused(host, "this machine")),
        _ if private => Ok(()),
        other => Err(refused(host, other.described())),
    }
}

/// True for an address of this machine: nothing else can be bound to.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

fn refused(host: &str, what: &str) -> Fault {
    let host = verdict::short(host);
    let message = format!(
        "`{host}` leads to {what}, which is not called; `allow_private: true` in the tool's declaration would let it be on a network of one's own"
    );
    Fault::new(Why::RefusedAddress, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_called_only_where_that_is_allowed() {
        let may = |ip: &str, private| may_call("x", ip.parse().unwrap(), private).is_ok();
        for ip in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "100.64.0.1",
            "169.254.1.1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!may(ip, false), "{ip}");
            assert!(may(ip, true), "{ip}");
        }
        for ip in [
            "169.254.169.254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
        ] {
            assert!(!may(ip, false) && !may(ip, true), "{ip}");
        }
        assert!(may("93.184.215.14", false) && may("2606:4700::1111", false));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_before_anything_is_sent() {
        let address = Address::parse("http://localhost:9/").unwrap();
        let fault = connect(&address, false, Instant::now() + ONE).await.unwrap_err();
        assert_eq!(fault.why, Why::RefusedAddress);
    }
}
