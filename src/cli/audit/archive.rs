//! Signed heads that were kept outside the database.
//!
//! The archive is a directory with the newest note in `latest` and older ones in files named after their size
//! (`NNNNNNNNNNNNNNNNNNNN.note`). Whoever serves writes it; here it is only read.

use crate::cli::Failure;
use std::path::{Path, PathBuf};

/// Longest file read, in bytes: no note is longer.
const LONGEST: u64 = 16_384;

/// Notes and where they were found.
#[derive(Debug, Default)]
pub struct Archive {
    /// File and text.
    pub notes: Vec<(PathBuf, String)>,
    /// What should be there and is not.
    pub missing: Vec<String>,
}

/// Reads the archive directory and the files given beside it.
///
/// # Errors
/// Exit code 3 when a file that was asked for cannot be read.
pub fn read(directory: &Path, files: &[PathBuf]) -> Result<Archive, Failure> {
    let mut archive = Archive::default();
    for file in files {
        let text = note(file).ok_or_else(|| {
            Failure::usage(format!("the checkpoint {} cannot be read", file.display()))
        })?;
        archive.notes.push((file.clone(), text));
    }
    read_directory(directory, &mut archive);
    Ok(archive)
}

fn read_directory(directory: &Path, archive: &mut Archive) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        archive.missing.push("the checkpoint archive cannot be read".to_owned());
        return;
    };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut kept: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "note")).collect();
    kept.sort();
    kept.push(directory.join("latest"));
    for path in kept {
        if let Some(text) = note(&path) {
            archive.notes.push((path, text));
        } else {
            let name = path.file_name().unwrap_or_default().display();
            archive.missing.push(format!("the checkpoint archive has no readable {name}"));
        }
    }
}

fn note(path: &Path) -> Option<String> {
    let meta = std::fs::metadata(path).ok()?;
    (meta.len() <= LONGEST).then(|| std::fs::read_to_string(path).ok()).flatten()
}
