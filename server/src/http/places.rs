//! Places for connections: so many for all, and a share for each client network, so that one that
//! never finishes a request does not keep out everybody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client_address::TrustedProxies;
use crate::config::{Config, LimitsMode, Mode};
use crate::crowd::Crowd;
use crate::network::{ClientNetwork, Site};

/// One line in the log for all that was refused in such a time.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The places of all listeners.
pub struct Places {
    most: usize,
    /// Of a network and of a site; `None` when nobody is held to a share.
    shares: Option<(usize, usize)>,
    exempts_loopback: bool,
    proxies: Arc<TrustedProxies>,
    crowd: Crowd,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<Sharer, usize>,
    refused: u64,
    told: Option<Instant>,
}

/// Whom a share belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sharer {
    Network(ClientNetwork),
    /// Whose 65,536 networks do not have as many shares.
    Site(Site),
}

impl Places {
    /// Takes `limits.*`. Development exempts loopback clients from the share of a network; behind
    /// a trusted proxy everybody is. Others hear from `crowd` how many are taken.
    #[must_use]
    pub fn new(config: &Config, proxies: Arc<TrustedProxies>, crowd: Crowd) -> Self {
        let places = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let limits = &config.limits;
        let share = limits.connections_per_network;
        let of_site = share.saturating_mul(limits.site_factor);
        Self {
            most: places(limits.connections),
            shares: (limits.mode == LimitsMode::On).then(|| (places(share), places(of_site))),
            exempts_loopback: config.mode == Mode::Development,
            proxies,
            crowd,
            taken: Mutex::default(),
        }
    }

    /// A place for a connection from this address, until it is dropped; `None` when there is none.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let shares = self.shares_of(peer);
        let mut taken = self.lock();
        let is_full = |(sharer, places): &(Sharer, usize)| {
            taken.by.get(sharer).is_some_and(|open| open >= places)
        };
        if taken.all >= self.most || shares.iter().any(is_full) {
            taken.refuse();
            return None;
        }
        taken.all += 1;
        self.crowd.connects(taken.all);
        let sharers: Vec<_> = shares.into_iter().map(|(sharer, _)| sharer).collect();
        for &sharer in &sharers {
            *taken.by.entry(sharer).or_default() += 1;
        }
        drop(taken);
        Some(Place {
            places: Arc::clone(self),
            sharers,
        })
    }

    /// Whose shares a connection from here comes from, and how many places those are.
    fn shares_of(&self, peer: IpAddr) -> Vec<(Sharer, usize)> {
        let network = ClientNetwork::from(peer);
        let is_exempt = self.proxies.trusts(peer.to_canonical())
            || (self.exempts_loopback && network.is_loopback());
        let Some((share, of_site)) = self.shares.filter(|_| !is_exempt) else {
            return Vec::new();
        };
        let mut shares = vec![(Sharer::Network(network), share)];
        if network.is_part_of_site() {
            shares.push((Sharer::Site(network.site()), of_site));
        }
        shares
    }

    /// No code panics while it holds the lock, so a poisoned one is still in order.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Whoever is refused must not fill the log either.
    fn refuse(&mut self) {
        self.refused += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            tracing::warn!(
                open = self.all,
                refused = self.refused,
                "connections refused: see limits.connections and limits.connections_per_network"
            );
            self.told = Some(Instant::now());
            self.refused = 0;
        }
    }
}

/// One connection's place; free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    sharers: Vec<Sharer>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        self.places.crowd.connects(taken.all);
        for sharer in &self.sharers {
            if let Some(open) = taken.by.get_mut(sharer) {
                *open -= 1;
                if *open == 0 {
                    taken.by.remove(sharer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LimitsConfig;

    fn places_with(adjust: impl FnOnce(&mut Config)) -> Arc<Places> {
        let mut config = Config {
            mode: Mode::Production,
            limits: LimitsConfig {
                connections: 20,
                connections_per_network: 2,
                ..LimitsConfig::default()
            },
            ..Config::default()
        };
        adjust(&mut config);
        let proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let proxies = Arc::new(TrustedProxies::new(proxies, "X-Forwarded-For"));
        Arc::new(Places::new(&config, proxies, Crowd::default()))
    }

    /// How many places these addresses get, one after another, and keep.
    fn given(places: &Arc<Places>, peers: impl IntoIterator<Item = String>) -> usize {
        let take = |peer: String| places.take(peer.parse().unwrap());
        let kept: Vec<Place> = peers.into_iter().filter_map(take).collect();
        let count = kept.len();
        std::mem::forget(kept);
        count
    }

    fn same(peer: &str) -> impl Iterator<Item = String> {
        std::iter::repeat_n(peer.to_owned(), 30)
    }

    #[test]
    fn a_network_gets_its_share_and_all_together_no_more_than_there_is() {
        let all = places_with(|_| {});
        assert_eq!(given(&all, same("192.0.2.1")), 2);
        assert_eq!(given(&all, same("::ffff:192.0.2.1")), 0);
        assert_eq!(given(&all, same("192.0.2.2")), 2);
        let others = (0..30).map(|last| format!("198.51.100.{last}"));
        assert_eq!(given(&all, others), 16);
        assert_eq!(given(&all, same("10.0.0.1")), 0);
    }

    #[test]
    fn an_ipv6_site_has_four_shares_however_many_networks_it_has() {
        let all = places_with(|_| {});
        let hosts = (0..30).map(|host| format!("2001:db8:1:2::{host}"));
        assert_eq!(given(&all, hosts), 2);
        let networks = (10..40).map(|network| format!("2001:db8:1:{network}::1"));
        assert_eq!(given(&all, networks), 6);
        assert_eq!(given(&all, same("2001:db8:2:2::1")), 2);
    }

    #[test]
    fn proxies_have_no_share_nor_has_loopback_in_development_nor_anybody_without_limits() {
        let production = places_with(|_| {});
        assert_eq!(given(&production, same("127.0.0.1")), 2);
        assert_eq!(given(&production, same("10.1.2.3")), 18);
        let development = places_with(|config| config.mode = Mode::Development);
        assert_eq!(given(&development, same("192.0.2.1")), 2);
        assert_eq!(given(&development, same("127.0.0.1")), 18);
        let lifted = places_with(|config| config.limits.mode = LimitsMode::Off);
        assert_eq!(given(&lifted, same("192.0.2.1")), 20);
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let all = places_with(|_| {});
        let peer = "2001:db8::1".parse().unwrap();
        for _ in 0..50 {
            let held = [all.take(peer), all.take(peer)];
            assert!(held.iter().all(Option::is_some));
            assert_eq!(all.crowd.connected(), 2);
            assert!(all.take(peer).is_none());
        }
        assert!(all.lock().by.is_empty());
        assert_eq!(all.lock().all, 0);
        assert_eq!(all.crowd.connected(), 0);
    }
}
