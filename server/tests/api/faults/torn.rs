//! The end of the store's log, as a crash in the middle of a write leaves it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::ledger::{Ledger, Load};
use super::{Victim, cycles, moment};

/// What is done to the log's end.
const WAYS: usize = 4;

#[tokio::test]
async fn a_torn_log_costs_nothing_that_was_acknowledged_before_or_after() {
    let mut victim = Victim::of("torn end of the log", cycles("FAULTS_TORN", WAYS)).await;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        let load = Load::start(&server, &format!("torn{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(200))).await;
        load.ended(true, &mut victim.ledger).await;
        let log = newest_log(&victim);
        let whole = log.metadata().unwrap().len();
        // Whoever comes now is in no ledger.
        let mut sacrificed = Ledger::default();
        let load = Load::start(&server, &format!("gone{cycle}"), 1);
        load.goes_on(Duration::from_millis(100)).await;
        load.ended(true, &mut sacrificed).await;
        server.kill().await;

        let file = OpenOptions::new().write(true).open(&log).unwrap();
        let end = file.metadata().unwrap().len();
        assert!(end > whole);
        let somewhere = whole + 1 + u64::from(cycle as u32 * 7919) % (end - whole);
        match cycle % WAYS {
            0 => file.set_len(somewhere).unwrap(),
            1 => file.write_all_at(&[0xa5; 5000], end).unwrap(),
            2 => file.write_all_at(&[0; 40_000], end).unwrap(),
            _ => file.write_all_at(&[0x5a; 3], somewhere - 1).unwrap(),
        }

        // What is acknowledged after it must outlive the process too.
        let server = victim.start().await;
        let load = Load::start(&server, &format!("after{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(200))).await;
        server.kill().await;
        load.ended(false, &mut victim.ledger).await;
        let server = victim.start().await;
        victim.ledger.check(&server, 0).await;
        server.kill().await;
    }
    victim.done().await;
}

fn newest_log(victim: &Victim) -> PathBuf {
    let logs = std::fs::read_dir(victim.folder.data().join("store/wal")).unwrap();
    let logs = logs.map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .max()
        .unwrap()
}
