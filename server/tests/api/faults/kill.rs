//! A process that is killed or stopped at any moment.

use std::time::{Duration, Instant};

use super::ledger::Load;
use super::{START, Victim, cycles, moment, table};
use crate::process::child::{Child, Folder, Port};

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    let mut victim = Victim::of("`kill -9` under load", cycles("FAULTS_KILLS", 2)).await;
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("kill{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(400))).await;
        server.kill().await;
        load.ended(false, &mut victim.ledger).await;
    }
    victim.done().await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_stopped() {
    let mut victim = Victim::of("SIGTERM under load", cycles("FAULTS_OTHERS", 1)).await;
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("stop{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(400))).await;
        let began = Instant::now();
        server.stop().await;
        assert!(began.elapsed() < Duration::from_secs(15));
        load.ended(false, &mut victim.ledger).await;
    }
    victim.done().await;
}

/// A clean stop writes everything to tables, and so does a log that has become long.
#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed_while_it_stops() {
    let mut victim = Victim::of("`kill -9` while it stops", cycles("FAULTS_FIRST", 1)).await;
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("stop{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(200))).await;
        server.child.signal("TERM");
        load.ended(false, &mut victim.ledger).await;
        tokio::time::sleep(moment(Duration::from_millis(100))).await;
        // It may be gone already; else this kills it.
        drop(server);
    }
    victim.done().await;
}

/// The very first start makes the store, the schema, the keys and the certificate.
#[tokio::test]
async fn a_first_start_that_is_killed_is_followed_by_one_that_works() {
    let mut victim = Victim::of("killed in its first start", cycles("FAULTS_FIRST", 3)).await;
    let longest = if table().is_some() { 600 } else { 300 };
    for cycle in 0..victim.cycles {
        victim.folder = Folder::new();
        victim.ledger.forget();
        let mut child = Child::start(victim.folder.serve(&Port::free(), &Port::free()));
        tokio::time::sleep(moment(Duration::from_millis(longest))).await;
        child.signal("KILL");
        child.ended().await;
        let began = Instant::now();
        let server = victim.start().await;
        assert!(began.elapsed() < START || table().is_none());
        let load = Load::start(&server, &format!("first{cycle}"), 2);
        load.goes_on(Duration::from_millis(100)).await;
        load.ended(true, &mut victim.ledger).await;
        victim.ledger.check(&server, 0).await;
        server.kill().await;
    }
    victim.done().await;
}
