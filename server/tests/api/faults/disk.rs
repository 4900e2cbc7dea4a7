//! A disk of its own, which loses its power or is full.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::ledger::Load;
use super::{Victim, cycles, missing, moment, skip};

const POWER: &str = "power loss (ext4, no log flush)";
const FULL: &str = "full disk (64 MiB)";

/// An ext4 image, mounted where a server keeps its data.
struct Disk {
    _folder: tempfile::TempDir,
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// One of 64 MiB; or why there can be none.
    fn mounted(at: &Path) -> Result<Self, String> {
        if let Some(why) = missing(&[("mkfs.ext4", "e2fsprogs"), ("mount", "mount")]) {
            return Err(why);
        }
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0"])
            .arg(&image))?;
        fs::create_dir_all(at).unwrap();
        let disk = Self {
            _folder: folder,
            image,
            at: at.to_owned(),
        };
        let mounted = disk.mount();
        mounted.map_err(|why| format!("needs root and a loop device: {why}"))?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&self.image)
            .arg(&self.at))
    }

    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(&self.at))
    }

    /// From now on nothing reaches the disk, not even what its journal has not written yet.
    #[expect(unsafe_code, reason = "no crate offers this ioctl")]
    fn lose_power(&self) {
        /// `_IOR('X', 125, __u32)` of Linux's `fs/ext4/ext4.h`.
        const EXT4_IOC_SHUTDOWN: libc::Ioctl = 0x8004_587d_u32 as libc::Ioctl;
        const NO_LOG_FLUSH: u32 = 2;
        let root = File::open(&self.at).unwrap();
        // SAFETY: the descriptor is open, and the call reads one u32.
        let answer = unsafe { libc::ioctl(root.as_raw_fd(), EXT4_IOC_SHUTDOWN, &NO_LOG_FLUSH) };
        assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    }

    /// Leaves hardly any room, until the file is removed.
    fn fill(&self) -> PathBuf {
        let path = self.at.join("filler");
        let mut filler = File::create(&path).unwrap();
        while filler.write_all(&[1; 64 * 1024]).is_ok() {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(96 * 1024)).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still uses it may, until it is gone.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.at));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(words.lines().next().unwrap_or("it failed").to_owned())
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_with_the_power() {
    let mut victim = Victim::of(POWER, cycles("FAULTS_POWER", 2)).await;
    let disk = match Disk::mounted(&victim.folder.data()) {
        Ok(disk) => disk,
        Err(why) => return skip(POWER, &why),
    };
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("power{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(400))).await;
        // Here the machine lives on for a moment, and its kernel takes commits that it has thrown
        // away with its journal for made: `fsync` can succeed after the power is gone.
        load.is_in_the_dark();
        disk.lose_power();
        server.kill().await;
        load.ended(false, &mut victim.ledger).await;
        disk.unmount().unwrap();
        disk.mount().unwrap();
    }
    victim.done().await;
}

#[tokio::test]
async fn a_full_disk_is_no_answer_and_there_is_service_again_once_there_is_room() {
    let mut victim = Victim::of(FULL, cycles("FAULTS_OTHERS", 1)).await;
    let disk = match Disk::mounted(&victim.folder.data()) {
        Ok(disk) => disk,
        Err(why) => return skip(FULL, &why),
    };
    let mut checked = 0;
    for cycle in 0..victim.cycles {
        let server = victim.start().await;
        checked = victim.ledger.check(&server, checked).await;
        let load = Load::start(&server, &format!("full{cycle}"), 4);
        load.goes_on(moment(Duration::from_millis(200))).await;
        let filler = disk.fill();
        victim.gives_up(server, load, "os error 28").await;
        // What a supervisor would do: it starts, or says in one line why not.
        match victim.try_start(|_| {}).await {
            Ok(server) => server.kill().await,
            Err(ended) => {
                assert_eq!(ended.status.code(), Some(1), "{ended:?}");
                let is_plain = |line: &&str| !line.starts_with('{');
                let lines: Vec<&str> = ended.stderr.lines().filter(is_plain).collect();
                assert_eq!(lines.len(), 1, "{ended:?}");
                assert!(lines[0].contains("os error 28"), "{ended:?}");
            }
        }
        fs::remove_file(filler).unwrap();
    }
    victim.done().await;
}
