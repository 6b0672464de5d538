//! Which binlog files a directory holds, in their order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use slackwater_decoders::position::binlog_number;

use super::file::Compression;
use crate::error::{Error, Result};

/// A binlog file in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFile {
    /// Its name as the server gave it, without the archiver's suffix.
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) compression: Compression,
}

/// The directory and the name of its files.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// The part of the files' names before the number; `None`: there is one only.
    pub(super) base: Option<String>,
}

impl Directory {
    /// The files, ordered by number. Where a file is there both plain and compressed, the plain one counts: an archiver
    /// removes it when it is done.
    ///
    /// # Errors
    /// Definite when the directory cannot be read, or holds files of several names and none is configured.
    pub(super) fn files(&self) -> Result<Vec<LogFile>> {
        let entries = self.entries().map_err(|error| {
            Error::definite("cannot read the directory of binlog files")
                .on(self.path.display())
                .caused_by(error)
                .remedy("check source.directory and its permissions")
        })?;
        let wanted = |file: &LogFile| self.base.is_none() || self.base.as_deref() == base(file);
        let mut files: Vec<LogFile> =
            entries.iter().filter_map(|path| log_file(path)).filter(wanted).collect();
        self.ensure_one_base(&files)?;
        files.sort_by_key(|file| (file.number, file.compression));
        files.dedup_by_key(|file| file.number);
        Ok(files)
    }

    fn entries(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.path)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn ensure_one_base(&self, files: &[LogFile]) -> Result<()> {
        let first = files.first().and_then(base);
        match files.iter().map(base).find(|other| *other != first) {
            None => Ok(()),
            Some(other) => Err(Error::definite(format!(
                "the directory holds the files of several servers: {}.… and {}.…",
                first.unwrap_or_default(),
                other.unwrap_or_default()
            ))
            .on(self.path.display())
            .remedy("say which one with source.base")),
        }
    }

    /// The file of that name.
    ///
    /// # Errors
    /// Definite when it is not there: what is there.
    pub(super) fn find(&self, name: &str) -> Result<LogFile> {
        let files = self.files()?;
        let there = match files.as_slice() {
            [] => "no binlog file is there".to_owned(),
            [only] => format!("only {} is there", only.name),
            [first, .., last] => format!("{} to {} are there", first.name, last.name),
        };
        files.into_iter().find(|file| file.name == name).ok_or_else(|| {
            Error::definite(format!("the binlog file is not in the directory; {there}"))
                .on(self.path.join(name).display())
                .remedy("bring the file back, or start the task anew")
        })
    }

    /// The file after `file`; `None` when it is the newest.
    ///
    /// # Errors
    /// Definite when a number is missing before the next one.
    pub(super) fn successor(&self, file: &LogFile) -> Result<Option<LogFile>> {
        match self.files()?.into_iter().find(|other| other.number > file.number) {
            Some(next) if next.number > file.number + 1 => {
                Err(Error::definite(format!("the files between {} and {} are missing", file.name, next.name))
                    .on(self.path.display())
                    .remedy("bring the missing files back: without them changes would be lost"))
            }
            next => Ok(next),
        }
    }
}

fn base(file: &LogFile) -> Option<&str> {
    binlog_number(&file.name).map(|(base, _)| base)
}

fn log_file(path: &Path) -> Option<LogFile> {
    let (name, compression) = Compression::of(path.file_name()?.to_str()?);
    let (base, number) = binlog_number(name)?;
    (!base.is_empty()).then(|| LogFile { name: name.to_owned(), number, path: path.to_owned(), compression })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn directory(names: &[&str]) -> (tempfile::TempDir, Directory) {
        let temporary = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| fs::write(temporary.path().join(name), b"").unwrap());
        let directory = Directory { path: temporary.path().to_owned(), base: None };
        (temporary, directory)
    }

    #[test]
    fn numbers_order_files_and_other_files_do_not_count() {
        let (_kept, directory) = directory(&[
            "b.1000000",
            "b.999999.gz",
            "b.999999",
            "b.999998.zst",
            "b.index",
            "b.log",
            "notes.txt",
        ]);
        let names: Vec<_> =
            directory.files().unwrap().into_iter().map(|file| (file.name, file.compression)).collect();
        let expected = [
            ("b.999998", Compression::Zstd),
            ("b.999999", Compression::None),
            ("b.1000000", Compression::None),
        ];
        assert_eq!(names, expected.map(|(name, compression)| (name.to_owned(), compression)));
    }

    #[test]
    fn a_gap_is_an_error_and_the_end_is_none() {
        let (_kept, directory) = directory(&["b.000001", "b.000003", "b.000004"]);
        let files = directory.files().unwrap();
        assert!(!directory.successor(&files[0]).unwrap_err().is_transient());
        assert_eq!(directory.successor(&files[1]).unwrap().unwrap().name, "b.000004");
        assert_eq!(directory.successor(&files[2]).unwrap(), None);
    }

    #[test]
    fn files_of_two_servers_need_a_name() {
        let (_kept, mut directory) = directory(&["a.000001", "b.000001"]);
        assert!(directory.files().unwrap_err().to_string().contains("source.base"));
        directory.base = Some("b".to_owned());
        assert_eq!(directory.files().unwrap().len(), 1);
    }
}
