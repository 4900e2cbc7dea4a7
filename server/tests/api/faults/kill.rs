//! A process that is killed at any moment.

use std::time::Duration;

use super::ledger::Load;
use super::{Victim, cycles, moment};

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    let mut victim = Victim::of("kill -9 under load", cycles("FAULTS_KILLS", 2)).await;
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("kill{cycle}"), 4);
        tokio::time::sleep(moment(Duration::from_millis(400))).await;
        server.kill().await;
        load.ended(false, &mut victim.ledger).await;
    }
    victim.done().await;
}
