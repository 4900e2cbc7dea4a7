//! Many claims that have expired, while people sign up.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Victim, cycles, tell};
use crate::app::{PASSWORD, fields, send};
use crate::process::child::Server;

/// Claims of one transaction.
const BATCH: usize = 100;

/// So many sign-ups make a percentile.
const SIGN_UPS: usize = 200;

#[tokio::test]
async fn expired_claims_go_in_the_background() {
    let mut victim = Victim::of("sweep", 1).await;
    let claims = cycles("FAULTS_SWEEP", 100).div_ceil(BATCH) * BATCH;
    let server = victim.start().await;
    let sign_ups = if claims > BATCH { SIGN_UPS } else { 10 };
    let before = sign_up(&server, "before", sign_ups).await;
    server.stop().await;

    let store = victim.folder.data().join("store");
    make_claims(&store, claims).await;
    let full = size(&store);
    let began = Instant::now();
    let mut server = victim.start().await;
    let during = sign_up(&server, "during", sign_ups).await;
    server
        .child
        .has_logged_in("expired rows removed", Duration::from_secs(3600))
        .await;
    let swept = began.elapsed();
    server.stop().await;
    let swept_size = size(&store);
    // Each start writes a table, and merges them once there are a few.
    let starts = if claims > BATCH { 8 } else { 1 };
    for start in 0..starts {
        let server = victim.start().await;
        sign_up(&server, &format!("later{start}"), 5).await;
        server.stop().await;
    }
    let merged_size = size(&store);
    let left = super::store::claims_of(&victim.folder.data(), "@expired.example").await;
    assert_eq!(left, 0);
    tell(&format!(
        "sweep: {claims} claims in {:.0} s; sign-ups p50 and p99 {} and {} ms before, {} and {} ms \
         during; the store had {} KiB with them, {} KiB without and {} KiB after {starts} starts",
        swept.as_secs_f64(),
        before.0,
        before.1,
        during.0,
        during.1,
        full >> 10,
        swept_size >> 10,
        merged_size >> 10,
    ));
}

/// The milliseconds in which half of them, and 99 of 100, were answered.
async fn sign_up(server: &Server, name: &str, count: usize) -> (u128, u128) {
    let mut times = Vec::new();
    for number in 0..count {
        let email = format!("{name}{number}@bar.com");
        let body = fields(&[("email", &email), ("password", PASSWORD)]);
        let began = Instant::now();
        send(server.post("/register", body))
            .await
            .assert_is(200, "");
        times.push(began.elapsed().as_millis());
    }
    times.sort_unstable();
    (times[count / 2], times[count * 99 / 100])
}

async fn make_claims(store: &Path, count: usize) {
    const CLAIMS: &str = "{ FOR $number IN $from..$to {
        LET $address = <string> $number + '@expired.example';
        CREATE type::record('claim', [$address, 'key']) SET address = $address, key = 'key',
            typed_address = $address, password_hash = $hash, reference = 'K7QD',
            seed = '0123456789abcdef0123456789abcdef', delivery = 1, digits = 4,
            attempts_left = 3, mail = 'taken', requested_at = $at, code_expires_at = $at,
            created_at = $at, expires_at = $at + <duration> (<string> $number + 'ms'),
            site = '127.0.0.1', handle = '0123456789abcdef', language = 'en', disowned = false
    } }";
    let database = super::store::open(store).await;
    for from in (0..count).step_by(BATCH) {
        let made = database.query(CLAIMS).bind(("from", from));
        let made = made
            .bind(("to", from + BATCH))
            .bind(("hash", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
            .bind(("at", chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
        made.await.unwrap().check().unwrap();
    }
    drop(database);
    super::store::closed(store).await;
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap();
    let sizes = entries.map(|entry| {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        if found.is_dir() {
            size(&entry.path())
        } else {
            found.len()
        }
    });
    sizes.sum()
}
