//! `latchkey restore`: a backup into an empty store.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::mem;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};

use super::backup_file::{BackupError, BackupReader, Head};
use super::door::{Door, check_owner};
use super::progress::Progress;
use crate::clock::SystemClock;
use crate::config::{Config, data_dir};
use crate::secret_key::{self, SecretKey};
use crate::store::{Restore, Row, known_schema};

/// Rows that are put into the store at a time.
const BATCH: usize = 500;

/// Fills an empty store from the backup, and puts the secret key beside it.
///
/// # Errors
/// When the file is not a whole backup that this version can read, the store is not empty, or
/// a server has it. Then nothing was changed. When the store fails in the middle, no Latchkey opens
/// it until a restore has succeeded.
pub async fn restore(config: &Config, file: &Path) -> anyhow::Result<()> {
    let mut source =
        File::open(file).with_context(|| format!("Failed to open {}", file.display()))?;
    let head = check(&source, file)?;
    if !config.database.is_server() {
        ensure!(
            config.database.folder(&config.data_dir).is_some(),
            "mem:// forgets everything at exit: name a database that stays"
        );
        ensure!(
            Door::server(&config.data_dir).await?.is_none(),
            "a server is running in {}: stop it first",
            config.data_dir.display()
        );
        if config.data_dir.exists() {
            check_owner(&config.data_dir)?;
        }
    }
    let secret_key = SecretKey::parse(head.secret_key())
        .with_context(|| format!("{} holds no secret key", file.display()))?;
    let present = SecretKey::load(config.secret_key.as_ref(), &config.data_dir)?;
    if let Some(present) = &present {
        let place = match config.secret_key {
            Some(_) => "secret_key in the configuration is not the backup's: set that".to_owned(),
            None => format!(
                "{} belongs to another installation: move it away, and its store with it",
                config.data_dir.join(secret_key::FILE_NAME).display()
            ),
        };
        ensure!(present.is(&secret_key), "{place}");
    }
    data_dir::prepare(&config.data_dir)
        .with_context(|| format!("Failed to make data_dir {}", config.data_dir.display()))?;
    let store = Restore::open(&config.database, &config.data_dir, Arc::new(SystemClock))
        .await
        .context("nothing was restored")?;
    if present.is_none() {
        // Before the store needs it.
        secret_key.write(&config.data_dir)?;
    }
    source.rewind()?;
    fill(&store, &source, file, &head)
        .await
        .context("the restore did not finish; run it again, which begins anew")?;
    store.finish(&secret_key).await?;
    writeln!(
        io::stdout(),
        "Restored from {}, made at {} by Latchkey {}: {}, and the secret key.",
        file.display(),
        head.made_at,
        head.made_by,
        head.contents()
    )?;
    Ok(())
}

/// Reads the whole file once.
fn check(source: &File, file: &Path) -> anyhow::Result<Head> {
    let mut progress = Progress::of("reading");
    let mut backup = Reading::of(source, file);
    while backup.next_row()?.is_some() {
        if let Some(head) = backup.reader.head() {
            progress.tell(backup.reader.rows(), head.all_rows());
        }
    }
    progress.end();
    backup.finish()
}

async fn fill(store: &Restore, source: &File, file: &Path, head: &Head) -> anyhow::Result<()> {
    store.begin(known_schema(&head.schema)?).await?;
    let mut progress = Progress::of("restoring");
    let mut backup = Reading::of(source, file);
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = backup.next_row()? {
        batch.push(row);
        if batch.len() == BATCH {
            let full = mem::replace(&mut batch, Vec::with_capacity(BATCH));
            store.put(full).await?;
            progress.tell(backup.reader.rows(), head.all_rows());
        }
    }
    backup.finish()?;
    store.put(batch).await?;
    progress.end();
    Ok(())
}

/// A backup that is read from its file; it is believed only once it is [finished](Self::finish).
struct Reading<'a> {
    source: BufReader<&'a File>,
    file: &'a Path,
    reader: BackupReader,
    line: String,
}

impl<'a> Reading<'a> {
    fn of(source: &'a File, file: &'a Path) -> Self {
        Self {
            source: BufReader::new(source),
            file,
            reader: BackupReader::default(),
            line: String::new(),
        }
    }

    /// The next row; `None` after the last.
    fn next_row(&mut self) -> anyhow::Result<Option<Row>> {
        loop {
            self.line.clear();
            match self.source.read_line(&mut self.line) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    bail!("{} is damaged: it is not text", self.file.display())
                }
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("Failed to read {}", self.file.display()));
                }
            }
            let Some(line) = self.line.strip_suffix('\n') else {
                return Err(self.refused(BackupError::CutOff));
            };
            match self.reader.take(line) {
                Ok(Some(row)) => return Ok(Some(row)),
                // The first line, or the last.
                Ok(None) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
    }

    fn finish(self) -> anyhow::Result<Head> {
        self.reader
            .finish()
            .map_err(|error| anyhow::anyhow!("{} {error}", self.file.display()))
    }

    fn refused(&self, error: BackupError) -> anyhow::Error {
        anyhow::anyhow!("{} {error}", self.file.display())
    }
}
