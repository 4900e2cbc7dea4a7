//! The network that a request comes from, as far as fairness and budgets tell clients apart.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One client network: a single IPv4 address, or an IPv6 /64, which is what one subscriber gets
/// at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The site that this network belongs to: of IPv6 the /48, which one customer can have whole;
    /// of IPv4 the address itself.
    #[must_use]
    pub fn site(self) -> Site {
        Site(match self.0 {
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// Whether it is this machine itself.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => v4.is_loopback(),
            // `::1` without its interface part is `::`.
            IpAddr::V6(v6) => v6.is_unspecified(),
        }
    }

    /// Whether it is a part of a larger site, so that both have a budget.
    #[must_use]
    pub fn is_part_of_site(self) -> bool {
        self.0.is_ipv6()
    }
}

/// What one customer can have: an IPv6 /48, or an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site(IpAddr);

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}/32"),
            IpAddr::V6(address) => write!(f, "{address}/48"),
        }
    }
}

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}/32"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> String {
        ClientNetwork::from(address.parse::<IpAddr>().unwrap()).to_string()
    }

    #[test]
    fn one_subscriber_is_one_network() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7/32");
        assert_eq!(
            network("2001:db8:1:2:aaaa::1"),
            network("2001:db8:1:2:bbbb::2")
        );
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    #[test]
    fn one_customer_is_one_site() {
        let of = |address: &str| ClientNetwork::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(
            of("2001:db8:1:2::1").site(),
            of("2001:db8:1:ffff::1").site()
        );
        assert_ne!(of("2001:db8:1::1").site(), of("2001:db8:2::1").site());
        assert_eq!(of("2001:db8:1:2::1").site().to_string(), "2001:db8:1::/48");
        assert_eq!(of("192.0.2.7").site().to_string(), "192.0.2.7/32");
    }

    #[test]
    fn this_machine_is_known_in_both_families() {
        let of = |address: &str| ClientNetwork::from(address.parse::<IpAddr>().unwrap());
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(of(own).is_loopback(), "{own}");
        }
        for other in ["192.0.2.1", "2001:db8::1"] {
            assert!(!of(other).is_loopback(), "{other}");
        }
    }
}
