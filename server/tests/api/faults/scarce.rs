//! Fewer files and less memory than it would like.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::ledger::Load;
use super::{Victim, cycles, skip};
use crate::process::child::behind;

#[tokio::test]
async fn with_few_files_it_loses_nothing() {
    let mut victim = Victim::of("144 open files at most", cycles("FAULTS_OTHERS", 1)).await;
    // 64 are too few to be let in at all.
    let refused = victim
        .try_start(|command| *command = with_files(64, command))
        .await;
    let refused = refused.err().expect("64 files are enough");
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    assert!(refused.stderr.contains("see `ulimit -n`"), "{refused:?}");
    for cycle in 0..victim.cycles {
        let server = victim.try_start(|command| {
            command.arg("--set=limits.connections=16");
            *command = with_files(144, command);
        });
        let server = server.await.unwrap();
        let load = Load::start(&server, &format!("files{cycle}"), 100);
        load.goes_on(Duration::from_millis(800)).await;
        load.ended(true, &mut victim.ledger).await;
        // It has lost its store, or is still there.
        server.kill().await;
        let server = victim.start().await;
        victim.ledger.check(&server, 0).await;
        server.kill().await;
    }
    victim.done().await;
}

fn with_files(files: u32, command: &Command) -> Command {
    let limit = format!(r#"ulimit -n {files}; exec "$@""#);
    behind(&["sh", "-c", &limit, "sh"], command)
}

const MEMORY: &str = "a memory cgroup of 160 MiB";

/// A group of processes that may use so much memory.
struct Group(PathBuf);

impl Group {
    fn of(bytes: u64) -> Result<Self, String> {
        let name = format!("latchkey-faults-{}", std::process::id());
        let (folder, limit) = if Path::new("/sys/fs/cgroup/memory").is_dir() {
            (Path::new("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        } else {
            (Path::new("/sys/fs/cgroup"), "memory.max")
        };
        let group = Self(folder.join(name));
        fs::create_dir(&group.0)
            .and_then(|()| fs::write(group.0.join(limit), bytes.to_string()))
            .map_err(|error| {
                format!(
                    "no memory cgroup can be made in {}: {error}",
                    folder.display()
                )
            })?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It goes with its last process.
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn with_little_memory_it_loses_nothing() {
    let group = match Group::of(160 << 20) {
        Ok(group) => group,
        Err(why) => return skip(MEMORY, &why),
    };
    let mut victim = Victim::of(MEMORY, cycles("FAULTS_OTHERS", 1)).await;
    let join = format!(r#"echo $$ >{}/cgroup.procs; exec "$@""#, group.0.display());
    for cycle in 0..victim.cycles {
        let server = victim.try_start(|command| {
            *command = behind(&["sh", "-c", &join, "sh"], command);
        });
        let server = server.await.unwrap();
        let load = Load::start(&server, &format!("memory{cycle}"), 64);
        load.goes_on(Duration::from_millis(800)).await;
        load.ended(true, &mut victim.ledger).await;
        victim.ledger.check(&server, 0).await;
        server.kill().await;
    }
    victim.done().await;
}
