//! The end of the embedded engine's log, looked at before the engine opens it.
//!
//! A process or a machine that dies in the middle of a commit leaves a record that is not whole.
//! Nobody was answered for it. surrealkv 0.21.4 opens its log for appending first and mends it
//! afterwards, by putting another file in its place: whatever it then acknowledges goes to a file
//! without a name and is gone with the process (docs/RELIABILITY.md). So the engine must never
//! meet a torn end.
//!
//! The format is that of LevelDB's log: blocks of 32 KiB, records of a CRC-32 of type and
//! content, a length, a type and the content, cut where a block ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;

/// What was never synced can only be the commits of one moment. A log that is damaged further
/// from its end was damaged by something else, and what follows was acknowledged.
const UNSYNCED_BYTES: u64 = 1024 * 1024;

/// Where in the store's folder a torn end is kept.
pub(super) const KEPT: &str = "torn";

/// What a log's folder was found to hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub segment: PathBuf,
    /// How much of it is whole, and stays.
    pub whole_bytes: u64,
    /// How much was cut off, and is kept beside the store.
    pub torn_bytes: u64,
}

/// Cuts a torn end off the newest segment of the log in `store`, and writes the rest to disk
/// again: after a sync that failed, the kernel may hold for written what is in its memory alone.
///
/// # Errors
/// When the log is damaged where a crash cannot have damaged it, or the disk fails.
pub(super) fn mend(store: &Path) -> anyhow::Result<Option<Cut>> {
    let Some(segment) = newest_segment(&store.join("wal"))? else {
        return Ok(None);
    };
    let name = segment.display();
    let log = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&segment)
        .with_context(|| format!("Failed to open {name}"))?;
    let bytes = log.metadata()?.len();
    let whole_bytes = whole(&log).with_context(|| format!("Failed to read {name}"))?;
    let torn_bytes = bytes - whole_bytes;
    if torn_bytes > UNSYNCED_BYTES {
        bail!(
            "The store's log {name} is damaged at byte {whole_bytes} of {bytes}, too far from its \
             end for a crash: restore a backup, or cut the file there and lose what follows."
        );
    }
    if torn_bytes > 0 {
        keep_apart(store, &segment, &log, whole_bytes)
            .with_context(|| format!("Failed to keep the torn end of {name}"))?;
        log.set_len(whole_bytes)
            .with_context(|| format!("Failed to cut {name}"))?;
    }
    write_again(&log, whole_bytes).with_context(|| format!("Failed to write {name}"))?;
    Ok((torn_bytes > 0).then_some(Cut {
        segment,
        whole_bytes,
        torn_bytes,
    }))
}

/// The bytes that the log in `store` has; none when there is no log.
pub(super) fn bytes(store: &Path) -> io::Result<u64> {
    segments(&store.join("wal"))?
        .iter()
        .map(|segment| match fs::metadata(segment) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            found => Ok(found.map_or(0, |found| found.len())),
        })
        .sum()
}

fn newest_segment(folder: &Path) -> io::Result<Option<PathBuf>> {
    // Their names are numbers of twenty digits.
    Ok(segments(folder)?.into_iter().max())
}

fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            segments.push(path);
        }
    }
    Ok(segments)
}

/// Where the last whole record ends.
fn whole(mut log: &File) -> io::Result<u64> {
    log.seek(SeekFrom::Start(0))?;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut record = Record::Ended;
    let (mut start, mut whole) = (0, 0);
    loop {
        block.clear();
        (&mut log)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)?;
        let mut rest = block.as_slice();
        while let Some((fragment, length)) = Fragment::first(rest) {
            record = match (record, fragment) {
                (Record::Ended, Fragment::Full) | (Record::Begun, Fragment::Last) => Record::Ended,
                (Record::Ended, Fragment::First) | (Record::Begun, Fragment::Middle) => {
                    Record::Begun
                }
                _ => return Ok(whole),
            };
            rest = &rest[length..];
            if record == Record::Ended {
                whole = start + (block.len() - rest.len()) as u64;
            }
        }
        // A whole block ends in a record, or in padding too short for a header.
        if block.len() < BLOCK_BYTES || rest.len() >= HEADER_BYTES {
            return Ok(whole);
        }
        start += BLOCK_BYTES as u64;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    Begun,
    Ended,
}

#[derive(Clone, Copy)]
enum Fragment {
    Full,
    First,
    Middle,
    Last,
}

impl Fragment {
    /// What a block goes on with and its length, header included; `None` when it is not whole.
    fn first(block: &[u8]) -> Option<(Self, usize)> {
        let (header, rest) = block.split_at_checked(HEADER_BYTES)?;
        let crc = u32::from_be_bytes(header[..4].try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(header[4..6].try_into().ok()?));
        let fragment = match header[6] {
            1 => Self::Full,
            2 => Self::First,
            3 => Self::Middle,
            4 => Self::Last,
            _ => return None,
        };
        let content = rest.get(..length)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header[6..]);
        hasher.update(content);
        (hasher.finalize() == crc).then_some((fragment, HEADER_BYTES + length))
    }
}

/// Copies what comes after `from` to a file beside the store's own.
fn keep_apart(store: &Path, segment: &Path, mut log: &File, from: u64) -> io::Result<()> {
    let folder = store.join(KEPT);
    fs::create_dir_all(&folder)?;
    let name = segment.file_name().unwrap_or_default().display();
    let mut copy = File::create(folder.join(format!("{name}.{from}")))?;
    log.seek(SeekFrom::Start(from))?;
    io::copy(&mut log, &mut copy)?;
    copy.sync_all()
}

/// In place and with the same bytes, so that a crash in the middle changes nothing.
fn write_again(log: &File, bytes: u64) -> io::Result<()> {
    let mut chunk = vec![0; 1024 * 1024];
    let mut offset = 0;
    while offset < bytes {
        let length = (chunk.len() as u64).min(bytes - offset);
        let chunk = &mut chunk[..usize::try_from(length).unwrap_or_default()];
        log.read_exact_at(chunk, offset)?;
        log.write_all_at(chunk, offset)?;
        offset += length;
    }
    log.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn physical(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(content);
        let mut bytes = hasher.finalize().to_be_bytes().to_vec();
        bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        bytes.push(kind);
        bytes.extend(content);
        bytes
    }

    /// A log of records of these lengths, as the engine writes it, and where each ends.
    fn log_of(lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let (mut log, mut ends) = (Vec::new(), Vec::new());
        for length in lengths {
            let mut left = *length;
            let mut begins = true;
            loop {
                let room = BLOCK_BYTES - log.len() % BLOCK_BYTES;
                if room < HEADER_BYTES {
                    log.extend(vec![0; room]);
                    continue;
                }
                let part = left.min(room - HEADER_BYTES);
                left -= part;
                let kind = match (begins, left == 0) {
                    (true, true) => 1,
                    (true, false) => 2,
                    (false, false) => 3,
                    (false, true) => 4,
                };
                log.extend(physical(kind, &vec![kind; part]));
                begins = false;
                if left == 0 {
                    break;
                }
            }
            ends.push(log.len());
        }
        (log, ends)
    }

    fn mended(log: &[u8]) -> (anyhow::Result<Option<Cut>>, Vec<u8>, usize) {
        let store = tempfile::tempdir().unwrap();
        let segment = store.path().join("wal/00000000000000000003.wal");
        fs::create_dir(store.path().join("wal")).unwrap();
        fs::write(segment.with_file_name("00000000000000000002.wal"), "old").unwrap();
        fs::write(&segment, log).unwrap();
        let cut = mend(store.path());
        let kept = fs::read_dir(store.path().join("torn")).map_or(0, Iterator::count);
        (cut, fs::read(&segment).unwrap(), kept)
    }

    #[test]
    fn a_whole_log_stays_as_it_is() {
        for lengths in [
            &[][..],
            &[10],
            &[100, 32_640, 7, 70_000, 1],
            &[32_761],
            &[32_757, 3],
        ] {
            let (log, _) = log_of(lengths);
            let (cut, after, kept) = mended(&log);
            assert_eq!((cut.unwrap(), kept), (None, 0), "{lengths:?}");
            assert!(after == log, "{lengths:?}");
        }
    }

    #[test]
    fn wherever_it_is_torn_whole_records_stay_and_the_rest_goes() {
        let (log, ends) = log_of(&[100, 32_500, 70_000, 40]);
        for length in (0..log.len()).step_by(97).chain(ends.iter().copied()) {
            let whole = ends.iter().copied().filter(|end| *end <= length).max();
            let whole = whole.unwrap_or(0);
            let (cut, after, kept) = mended(&log[..length]);
            let torn = length - whole;
            let cut = cut.unwrap().map(|cut| (cut.whole_bytes, cut.torn_bytes));
            let expected = (torn > 0).then_some((whole as u64, torn as u64));
            assert_eq!((cut, kept), (expected, usize::from(torn > 0)), "{length}");
            assert!(after == log[..whole], "{length}");
        }
    }

    #[test]
    fn garbage_and_zeroes_at_the_end_go() {
        let (log, _) = log_of(&[100, 200]);
        for tail in [vec![0; 40_000], vec![0xa5; 40_000], vec![1], vec![0; 6]] {
            let (cut, after, _) = mended(&[log.clone(), tail.clone()].concat());
            assert_eq!(cut.unwrap().unwrap().torn_bytes, tail.len() as u64);
            assert!(after == log);
        }
        let mut flipped = log.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(mended(&flipped).0.unwrap().unwrap().whole_bytes, 107);
    }

    #[test]
    fn damage_that_no_crash_can_make_is_refused_and_nothing_is_changed() {
        let (mut log, _) = log_of(&[60_000; 40]);
        log[100] ^= 1;
        let (cut, after, kept) = mended(&log);
        let words = cut.unwrap_err().to_string();
        assert!(words.contains("is damaged at byte 0 of "), "{words}");
        assert!(after == log && kept == 0);
    }

    #[test]
    fn a_store_without_a_log_has_nothing_to_mend() {
        let store = tempfile::tempdir().unwrap();
        assert_eq!(mend(store.path()).unwrap(), None);
        assert_eq!(bytes(store.path()).unwrap(), 0);
    }
}
