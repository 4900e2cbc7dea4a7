//! A clock that is wrong, and is put right.

use std::path::Path;
use std::time::Duration;

use super::ledger::Load;
use super::{Victim, cycles, moment, skip};

const FAULT: &str = "clock an hour ahead, then behind";

/// Where Debian's packages have it, by architecture.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

#[tokio::test]
async fn a_clock_that_jumps_loses_nothing() {
    let Some(library) = LIBRARIES.iter().find(|path| Path::new(path).exists()) else {
        return skip(
            FAULT,
            "libfaketime is missing (Debian: apt-get install faketime)",
        );
    };
    let mut victim = Victim::of(FAULT, cycles("FAULTS_OTHERS", 1)).await;
    for cycle in 0..victim.cycles {
        for (number, offset) in ["+0", "+1h", "-1h"].into_iter().enumerate() {
            let server = victim.try_start(|command| {
                command
                    .env("LD_PRELOAD", library)
                    .env("DONT_FAKE_MONOTONIC", "1")
                    .env("FAKETIME", offset);
            });
            let server = server.await.unwrap();
            victim.ledger.check(&server, 0).await;
            let load = Load::start(&server, &format!("clock{cycle}.{number}"), 4);
            load.goes_on(moment(Duration::from_millis(300))).await;
            server.kill().await;
            load.ended(false, &mut victim.ledger).await;
        }
    }
    victim.done().await;
}
