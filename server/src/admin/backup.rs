//! `latchkey backup`: everything that must not be lost, as of one moment, in one file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, bail};
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use serde_json::Value as Json;

use super::Administration;
use super::backup_file::{BackupError, BackupReader, BackupWriter, Head};
use super::door::Door;
use super::lines::{self, LineSender, Lines};
use super::progress::Progress;
use crate::config::Config;
use crate::signals;
use crate::store::{KEPT_TABLES, Snapshot};

/// `GET /backup`: the file's lines.
pub(super) async fn lines(State(administration): State<Administration>) -> Response {
    lines::answer(administration.enough.clone(), |lines| async move {
        let snapshot = administration.store.snapshot().await?;
        let sent = send(&snapshot, &administration, &lines).await;
        snapshot.close().await?;
        sent
    })
    .into_response()
}

/// The last line; `None` when nobody wanted the others.
async fn send(
    snapshot: &Snapshot,
    administration: &Administration,
    lines: &LineSender,
) -> anyhow::Result<Option<Json>> {
    let secret_key = administration
        .secret_key
        .as_ref()
        .context("the secret key is missing, and without it a backup would be worth nothing")?;
    let mut counts = BTreeMap::new();
    for table in KEPT_TABLES {
        counts.insert(table.to_owned(), snapshot.count(table).await?);
    }
    let mut writer = BackupWriter::default();
    let head = writer.head(
        administration
            .clock
            .now()
            .to_rfc3339_opts(SecondsFormat::Secs, true),
        snapshot.schema().await?,
        counts,
        secret_key.to_text(),
    )?;
    if lines.send(head).await.is_err() {
        return Ok(None);
    }
    for table in KEPT_TABLES {
        let mut after = None;
        loop {
            let page = snapshot.page(table, after.as_ref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let mut text = String::new();
            for row in &page {
                text += &writer.row(row)?;
            }
            if lines.send(text).await.is_err() {
                return Ok(None);
            }
        }
    }
    Ok(Some(writer.end()?))
}

/// Makes a backup in a new file, which appears when it is whole and on disk.
///
/// # Errors
/// When the file is there already or cannot be written, or server or store fail. Then there is no
/// file.
pub async fn make(config: &Config, file: &Path) -> anyhow::Result<()> {
    let mut new = NewFile::create(file)?;
    let stopped = signals::shutdown().context("cannot listen for signals")?;
    let head = tokio::select! {
        written = write(config, &mut new) => written?,
        // The unfinished file goes, when `new` does.
        () = stopped => bail!("stopped; there is no backup"),
    };
    new.keep()?;
    let size = fs::metadata(file)?.len();
    writeln!(
        io::stdout(),
        "{}: {}, {size} bytes.\nThe secret key is in it: whoever has this file can test passwords \
         and end up in accounts. Keep it as you keep the key.",
        file.display(),
        head.contents(),
    )?;
    Ok(())
}

async fn write(config: &Config, new: &mut NewFile<'_>) -> anyhow::Result<Head> {
    let mut door = Door::open(config).await?;
    let body = door
        .ask(Request::get("/backup").body(Body::empty())?)
        .await?;
    let mut lines = Lines::of(body);
    let mut reader = BackupReader::default();
    let mut progress = Progress::of("backup");
    while let Some(line) = lines.next().await? {
        match reader.take(&line) {
            // What is written can be read: otherwise it is no backup.
            Ok(_) => {}
            Err(BackupError::Failed(why)) => bail!("{why}"),
            Err(error) => bail!("what the server sent {error}"),
        }
        new.write_line(&line)?;
        if let Some(head) = reader.head() {
            progress.tell(reader.rows(), head.all_rows());
        }
    }
    progress.end();
    reader
        .finish()
        .map_err(|error| anyhow::anyhow!("what the server sent {error}"))
}

/// A file that has its name only once it is whole.
struct NewFile<'a> {
    file: &'a Path,
    temporary: PathBuf,
    writer: BufWriter<File>,
}

impl<'a> NewFile<'a> {
    fn create(file: &'a Path) -> anyhow::Result<Self> {
        let name = file
            .file_name()
            .with_context(|| format!("{} names no file", file.display()))?;
        if file.symlink_metadata().is_ok() {
            bail!(
                "{} is there already, and nothing is overwritten: name another file",
                file.display()
            );
        }
        let temporary = format!(".{}.{}", name.to_string_lossy(), process::id());
        let temporary = folder(file).join(temporary);
        let writer = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .with_context(|| format!("Failed to write {}", file.display()))?;
        Ok(Self {
            file,
            temporary,
            writer: BufWriter::new(writer),
        })
    }

    fn write_line(&mut self, line: &str) -> anyhow::Result<()> {
        self.writer
            .write_all(line.as_bytes())
            .and_then(|()| self.writer.write_all(b"\n"))
            .with_context(|| format!("Failed to write {}", self.file.display()))
    }

    /// Gives it its name, unless somebody else has taken that meanwhile.
    fn keep(mut self) -> anyhow::Result<()> {
        self.writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| match fs::hard_link(&self.temporary, self.file) {
                // A file system without links has no way to rename without overwriting.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    fs::rename(&self.temporary, self.file)
                }
                linked => linked,
            })
            // The new name is on disk only once the folder is.
            .and_then(|()| File::open(folder(self.file))?.sync_all())
            .with_context(|| format!("Failed to write {}", self.file.display()))
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // It holds the key. After a rename it is no longer there.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
