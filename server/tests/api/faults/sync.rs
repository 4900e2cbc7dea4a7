//! A disk that cannot write what it was given.

use std::process::Command;
use std::time::Duration;

use super::ledger::Load;
use super::{Victim, cycles, missing, moment, skip};
use crate::process::child::Child;

const FAULT: &str = "fsync answers EIO";

#[tokio::test]
async fn a_sync_that_fails_is_no_answer_and_ends_the_process() {
    if let Some(why) = missing(&[("strace", "strace")]) {
        return skip(FAULT, &why);
    }
    let mut victim = Victim::of(FAULT, cycles("FAULTS_OTHERS", 1)).await;
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("sync{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(300))).await;
        let mut strace = Command::new("strace");
        strace
            .args([
                "--follow-forks",
                "--output=/dev/null",
                "--trace=fsync,fdatasync",
            ])
            .arg("--inject=fsync,fdatasync:error=EIO")
            .arg(format!("--attach={}", server.child.id()));
        let strace = Child::start(strace);
        victim.gives_up(server, load, "os error 5").await;
        drop(strace);
    }
    victim.done().await;
}
