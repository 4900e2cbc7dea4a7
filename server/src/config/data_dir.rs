//! The folder that holds what must be kept to oneself: 0700, its files 0600.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process;

/// Files by which a folder is known to be ours.
const OURS: [&str; 3] = ["store", "secret.key", "self-signed.pem"];

/// What a volume or a checkout may hold that is nobody's to lock out.
const NOBODYS: [&str; 3] = ["lost+found", ".gitkeep", "latchkey.toml"];

/// Makes the folder, or closes an open one to others.
///
/// # Errors
/// When it can neither be made nor is there. A folder that belongs to somebody else, or that holds
/// other things, whose users closing it would lock out, stays as it is, with a warning.
pub fn prepare(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let mode = fs::metadata(folder)?.permissions().mode();
    // A sticky folder is shared on purpose, as /tmp is.
    let shared = mode & 0o1000 != 0;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shared = shared || !is_ours(folder)?;
    if shared || fs::set_permissions(folder, Permissions::from_mode(0o700)).is_err() {
        tracing::warn!(
            folder = %folder.display(),
            "data_dir is open to other users; give Latchkey a folder of its own, with mode 0700"
        );
    }
    Ok(())
}

/// Whether all that stands in it may be closed to others.
fn is_ours(folder: &Path) -> io::Result<bool> {
    if OURS.iter().any(|name| folder.join(name).exists()) {
        return Ok(true);
    }
    for entry in fs::read_dir(folder)? {
        if !NOBODYS
            .iter()
            .any(|name| entry.as_ref().is_ok_and(|entry| entry.file_name() == *name))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes a file that only its owner can read, whole or not at all, also across a crash.
///
/// # Errors
/// When it cannot be written; what was there before is then still there.
pub fn write_private(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.{}", process::id()));
    // Left behind by a crash of a process with the same number.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_and_rename(folder, &temporary, name, content);
    if written.is_err() {
        // It may hold a key; the first error is the one that matters.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_and_rename(folder: &Path, temporary: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, folder.join(name))?;
    // The new name is on disk only once the folder is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn folder_and_files_are_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/data");
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        write_private(&folder, "key", b"one").unwrap();
        write_private(&folder, "key", b"two").unwrap();
        assert_eq!(mode(&folder.join("key")), 0o600);
        assert_eq!(fs::read(folder.join("key")).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn an_open_folder_is_closed_unless_it_is_shared_on_purpose() {
        let root = tempfile::tempdir().unwrap();
        for (before, after) in [(0o755, 0o700), (0o1777, 0o1777)] {
            fs::set_permissions(root.path(), Permissions::from_mode(before)).unwrap();
            prepare(root.path()).unwrap();
            assert_eq!(mode(root.path()), after);
        }
    }
}
