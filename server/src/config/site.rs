//! Where the files for the browser are.

use std::path::{Path, PathBuf};
use std::{env, io};

/// The folder was in none of the places looked at.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("the browser's files are not there; looked in {}; site_dir names another folder", join(.0))]
    Missing(Vec<PathBuf>),
    #[error("cannot tell where this program stands")]
    Program(#[source] io::Error),
}

fn join(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    folders.join(", ")
}

/// `site_dir`; else the folder that cargo-leptos names; else the one beside the binary.
pub(super) fn find(explicit: Option<&Path>) -> Result<PathBuf, SiteError> {
    let program = env::current_exe().map_err(SiteError::Program)?;
    let leptos = env::var_os("LEPTOS_SITE_ROOT").map(PathBuf::from);
    find_in(explicit, leptos.as_deref(), &program)
}

fn find_in(
    explicit: Option<&Path>,
    leptos: Option<&Path>,
    program: &Path,
) -> Result<PathBuf, SiteError> {
    let places: Vec<PathBuf> = match explicit {
        // Whoever names a folder does not want another.
        Some(folder) => vec![folder.to_owned()],
        None => {
            let beside = program.parent().map(|folder| folder.join("site"));
            let above = program.parent().and_then(Path::parent);
            leptos
                .map(Path::to_owned)
                .into_iter()
                .chain(beside)
                .chain(above.map(|folder| folder.join("site")))
                .collect()
        }
    };
    match places.iter().find(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder.clone()),
        None => Err(SiteError::Missing(places)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_named_folder_wins_and_the_binarys_neighbours_come_last() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let program = at("target/release/latchkey");
        fs::create_dir_all(at("target/release")).unwrap();
        let found = |explicit: Option<&Path>, leptos: Option<&Path>| {
            find_in(explicit, leptos, &program).ok()
        };

        assert_eq!(found(None, None), None);
        fs::create_dir_all(at("target/site")).unwrap();
        assert_eq!(found(None, None), Some(at("target/site")));
        assert_eq!(found(None, Some(&at("gone"))), Some(at("target/site")));
        fs::create_dir_all(at("target/release/site")).unwrap();
        assert_eq!(found(None, None), Some(at("target/release/site")));
        fs::create_dir_all(at("leptos")).unwrap();
        assert_eq!(found(None, Some(&at("leptos"))), Some(at("leptos")));
        fs::create_dir_all(at("named")).unwrap();
        assert_eq!(
            found(Some(&at("named")), Some(&at("leptos"))),
            Some(at("named"))
        );
        assert_eq!(found(Some(&at("gone")), Some(&at("leptos"))), None);
    }
}
