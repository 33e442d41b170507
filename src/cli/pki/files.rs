//! Files and directories that only their owner can read.
//!
//! A file is written beside its name and renamed over it, so that a reader finds the old or the new
//! contents and never a part.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Makes a directory with mode 0700 where there is none, with its parents.
pub(super) fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes `contents` to `path` with mode 0600.
pub(super) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("part");
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Reads a private key in PEM.
pub(super) fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    fs::read_to_string(path).map(Zeroizing::new)
}
