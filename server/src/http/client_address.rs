//! Where a request comes from: the peer, or what a trusted proxy says about it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

use crate::network::ClientNetwork;

/// Who may say where a request comes from, and in which header.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: Option<HeaderName>,
}

impl TrustedProxies {
    /// Takes `trusted_proxies` and `proxy_header`; a name that is no header's is never found.
    #[must_use]
    pub fn new(networks: Vec<IpNet>, header: &str) -> Self {
        Self {
            networks,
            header: header.parse().ok(),
        }
    }

    /// The rightmost hop that is not one of ours: what stands left of it, anybody can write.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let (true, Some(header)) = (self.trusts(peer), &self.header) else {
            return peer;
        };
        // Hop by hop, in bytes: what a stranger has written must not make the rest of its line,
        // which our own proxies have written, unreadable.
        let lines: Vec<_> = headers.get_all(header).iter().collect();
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        let mut client = peer;
        for hop in hops {
            // A hop that cannot be read ends what can be believed.
            let Some(address) = parse_hop(hop) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    /// Whether this address is a proxy's of ours.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// An address, perhaps with a port, as proxies write it.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = || hop.parse::<IpAddr>().ok();
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    let bracketed = || {
        let address = hop.strip_prefix('[')?.strip_suffix(']')?;
        address.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    bare()
        .or_else(with_port)
        .or_else(bracketed)
        .map(|address| address.to_canonical())
}

/// Leaves the client's network where handlers and the log find it.
pub(super) async fn identify(
    State(proxies): State<Arc<TrustedProxies>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = proxies.client(peer.ip(), request.headers());
    request.extensions_mut().insert(ClientNetwork::from(client));
    next.run(request).await
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(
            vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            "X-Forwarded-For",
        );
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                "x-forwarded-for",
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts() {
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.9.9.9"]),
            "198.51.100.7"
        );
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1", "198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(client("fd00::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, nonsense"]), "10.0.0.1");
    }

    #[test]
    fn what_a_stranger_wrote_does_not_hide_them() {
        for forged in ["", "nonsense", "\u{a0}", "é, 10.0.0.2"] {
            let header = format!("{forged}, 198.51.100.7");
            assert_eq!(client("10.0.0.1", &[&header]), "198.51.100.7", "{forged}");
        }
    }

    #[test]
    fn what_is_not_quite_an_address_ends_what_is_believed() {
        for hop in [
            "[198.51.100.7",
            "198.51.100.7]",
            "[198.51.100.7]",
            "[[2001:db8::1]]",
            "2001:db8::1]",
            "198.51.100.7:65536",
            "198.51.100.07",
        ] {
            assert_eq!(client("10.0.0.1", &[hop]), "10.0.0.1", "{hop}");
        }
    }
}
