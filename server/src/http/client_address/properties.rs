//! What holds for every header that may claim where a request comes from.
//!
//! Trusted are 10.0.0.0/8 and fd00::/8; the oracle goes by the first byte of an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::TrustedProxies;
use crate::mutation::{bytes, spoiled};

const HEADER: &str = "x-forwarded-for";

/// What one element of the header is meant to be.
#[derive(Clone, Debug)]
enum Hop {
    Address { address: IpAddr, written: String },
    Garbage(String),
}

fn proxies() -> TrustedProxies {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
    TrustedProxies::new(networks.to_vec(), "X-Forwarded-For")
}

fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10,
        IpAddr::V6(v6) => v6.octets()[0] == 0xfd,
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::from),
        any::<Ipv6Addr>().prop_map(|address| IpAddr::from(address).to_canonical()),
    ]
}

fn ours() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d])),
        any::<[u8; 15]>().prop_map(|rest| {
            let mut octets = [0xfd; 16];
            octets[1..].copy_from_slice(&rest);
            IpAddr::from(octets)
        }),
    ]
}

fn strangers() -> impl Strategy<Value = IpAddr> {
    any_address().prop_filter("one of ours", |&address| !is_ours(address))
}

/// As proxies write it: bare, in brackets, with a port, mapped into IPv6.
fn written(address: IpAddr) -> impl Strategy<Value = String> {
    let ways = match address {
        IpAddr::V4(v4) => vec![
            v4.to_string(),
            format!("{v4}:4711"),
            v4.to_ipv6_mapped().to_string(),
            format!("[{}]:1", v4.to_ipv6_mapped()),
        ],
        IpAddr::V6(v6) => vec![
            v6.to_string(),
            v6.to_string().to_uppercase(),
            format!("[{v6}]"),
            format!("[{v6}]:65535"),
        ],
    };
    (
        select(vec!["", " ", "\t "]),
        select(ways),
        select(vec!["", " "]),
    )
        .prop_map(|(before, address, after)| format!("{before}{address}{after}"))
}

fn hop_of(address: impl Strategy<Value = IpAddr>) -> impl Strategy<Value = Hop> {
    address
        .prop_flat_map(|address| (Just(address), written(address)))
        .prop_map(|(address, written)| Hop::Address { address, written })
}

fn hop() -> impl Strategy<Value = Hop> {
    prop_oneof![
        3 => hop_of(ours()),
        3 => hop_of(strangers()),
        1 => select(vec![
            "", " ", "unknown", "_hidden", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/8",
            "[10.0.0.1", "10.0.0.1]", "[[fd00::1]]", "[fd00::1", "fd00::1]", "[fd00::1]:65536",
            "10.0.0.1:", "10.0.0.1:-1", "fd00::1::2", "[10.0.0.1]", "for=10.0.0.1", "10.0.0.1 10.0.0.1",
            "\u{a0}10.0.0.1",
        ])
        .prop_map(|text| Hop::Garbage(text.to_owned())),
    ]
}

/// The elements parted by commas, over as many lines as `breaks` says.
fn headers(hops: &[Hop], breaks: &[bool]) -> HeaderMap {
    let mut lines = vec![String::new()];
    for (number, hop) in hops.iter().enumerate() {
        if number > 0 {
            if breaks.get(number).copied().unwrap_or_default() {
                lines.push(String::new());
            } else if let Some(line) = lines.last_mut() {
                line.push(',');
            }
        }
        let (Hop::Address { written, .. } | Hop::Garbage(written)) = hop;
        if let Some(line) = lines.last_mut() {
            line.push_str(written);
        }
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(HEADER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

/// Walks from the peer outwards, as one would with a pencil.
fn by_hand(peer: IpAddr, hops: &[Hop]) -> IpAddr {
    let mut last_known = peer;
    let mut outwards = hops.iter().rev();
    while is_ours(last_known) {
        match outwards.next() {
            Some(Hop::Address { address, .. }) => last_known = *address,
            Some(Hop::Garbage(_)) | None => break,
        }
    }
    last_known
}

/// Without what cannot stand in a header, and so never arrives.
fn any_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let right = "(([0-9]{1,3}\\.){3}[0-9]{1,3}(:[0-9]{1,5})?, ?|\\[?[0-9a-f:]{2,20}\\]?, ?){0,4}10\\.0\\.0\\.1";
    let line = prop_oneof![bytes(), spoiled(right.prop_map(String::into_bytes))];
    let line = line.prop_map(|mut line| {
        for byte in &mut line {
            if byte.is_ascii_control() && *byte != b'\t' {
                *byte ^= 0x80;
            }
        }
        line
    });
    vec(line, 0..4)
}

fn raw_headers(lines: &[Vec<u8>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(HEADER, HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

proptest! {
    #[test]
    fn what_a_stranger_writes_never_matters(peer in strangers(), lines in any_lines()) {
        prop_assert_eq!(proxies().client(peer, &raw_headers(&lines)), peer);
    }

    #[test]
    fn the_rightmost_hop_that_is_not_ours_is_the_client(
        peer in prop_oneof![ours(), any_address()],
        hops in vec(hop(), 0..6),
        breaks in vec(any::<bool>(), 6),
    ) {
        let client = proxies().client(peer, &headers(&hops, &breaks));
        prop_assert_eq!(client, by_hand(peer, &hops), "{:?}", headers(&hops, &breaks));
    }

    #[test]
    fn what_stands_left_of_the_client_never_matters(
        peer in ours(),
        mut left in any_lines(),
        client in hop_of(strangers()),
        right in vec(hop_of(ours()), 0..3),
        is_one_line: bool,
    ) {
        let Hop::Address { address, .. } = client else { return Ok(()) };
        let ours = headers(&[vec![client], right].concat(), &[]);
        let ours = ours[HEADER].as_bytes();
        match left.pop() {
            Some(line) if is_one_line => left.push([&line, ours].join(&b',')),
            Some(line) => left.extend([line, ours.to_vec()]),
            None => left.push(ours.to_vec()),
        }
        prop_assert_eq!(proxies().client(peer, &raw_headers(&left)), address);
    }

    #[test]
    fn nobody_comes_from_where_no_header_says(peer in ours(), lines in any_lines()) {
        let headers = raw_headers(&lines);
        let client = proxies().client(peer, &headers);
        let is_named = headers.get_all(HEADER).iter().any(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .split(|letter: char| !(letter.is_ascii_hexdigit() || letter == ':' || letter == '.'))
                .filter_map(|word| {
                    let address = word.parse::<IpAddr>().ok();
                    address.or_else(|| word.parse::<SocketAddr>().ok().map(|address| address.ip()))
                })
                .any(|address| address.to_canonical() == client)
        });
        prop_assert!(client == peer || is_named, "{} of {:?}", client, headers);
    }

    #[test]
    fn a_mapped_address_is_the_address_itself(peer in any::<Ipv4Addr>(), hops in vec(hop(), 0..4)) {
        let headers = headers(&hops, &[]);
        let client = |peer: IpAddr| proxies().client(peer, &headers);
        prop_assert_eq!(client(peer.to_ipv6_mapped().into()), client(peer.into()));
    }
}
