//! `slackwater decode`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::exit::{self, Failure};

const BUFFER_BYTES: usize = 1 << 20;
/// RFC 1952, section 2.3.1.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// RFC 8878, section 3.1.1: the frame's magic number, little endian.
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Print binlog files as Debezium JSON, one change a line
///
/// Files are read in the order given, as one log: a table defined in one is known in the next. Files compressed with gzip
/// or zstd are read as they are; `-` is standard input.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    /// Binlog files of MySQL or MariaDB
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Name of the source in the output (Debezium's `source.name`)
    #[arg(long, default_value = "slackwater")]
    name: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    for file in &arguments.files {
        let mut log = open(file).map_err(|error| unreadable(file, &error))?;
        decode(&arguments.name, &log_name(file), &mut log, &mut out)?;
    }
    match out.flush() {
        // Whoever read the output has enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::definite(format!("cannot write the output: {error}"))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// Decodes one file to lines.
fn decode(_source: &str, log_name: &str, _log: &mut dyn Read, _out: &mut dyn Write) -> Result<(), Failure> {
    Err(Failure::definite(format!("{log_name}: this build has no binlog decoder")))
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::definite(format!("cannot read {}: {error}", file.display()))
}

/// Opens a file, or standard input, and decompresses it when its first bytes say so.
fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    let raw: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(file)?) };
    decompressed(raw)
}

fn decompressed(raw: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, raw);
    let start = raw.fill_buf()?;
    if start.starts_with(GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(raw))));
    }
    if start.starts_with(ZSTD_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::stream::Decoder::with_buffer(raw)?)));
    }
    Ok(Box::new(raw))
}

/// The name of the log in positions: the file's own, without what compression added.
fn log_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = [".gz", ".zst"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
    bare.unwrap_or(&name).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn compressed_files_are_recognized_by_their_content() {
        let log = b"\xfebin and more".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&log).unwrap();
        for bytes in [log.clone(), gzip.finish().unwrap(), zstd::encode_all(&*log, 1).unwrap()] {
            let mut read = Vec::new();
            decompressed(Box::new(io::Cursor::new(bytes))).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, log);
        }
        assert_eq!(log_name(Path::new("/var/log/binlog.000007.zst")), "binlog.000007");
    }
}
