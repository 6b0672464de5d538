//! `slackwater decode`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use slackwater_decoders::{
    arena::ArenaPool,
    envelope::EnvelopeWriter,
    mysql::{
        Decoder, DecoderOptions,
        catalog::{Catalog, Settings, Snapshot},
    },
};

use super::exit::{self, Failure};

const BUFFER_BYTES: usize = 1 << 20;
const PIECE_BYTES: usize = 256 << 10;
/// The first bytes of a binlog file, and of an encrypted one (MySQL `BINLOG_MAGIC` and `rpl_log_encryption.h`).
const MAGIC: &[u8; 4] = b"\xfebin";
const ENCRYPTED_MAGIC: &[u8; 4] = b"\xfdbin";
/// The common header of events since binlog version 3.
const HEADER_BYTES: u64 = 19;
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
    let mut tables = Snapshot::default();
    for file in &arguments.files {
        let log = open(file).map_err(|error| unreadable(file, &error))?;
        match decode(&arguments.name, file, log, tables, &mut out) {
            Ok(known) => tables = known,
            Err(Stop::Output(error)) => return end_of_output(&error),
            Err(Stop::Failed(failure)) => {
                // What was decoded before the error is worth having.
                let _ = out.flush();
                return Err(failure);
            }
        }
    }
    out.flush().map_or_else(|error| end_of_output(&error), |()| Ok(ExitCode::SUCCESS))
}

/// Why a file is not decoded further.
enum Stop {
    Output(io::Error),
    Failed(Failure),
}

fn end_of_output(error: &io::Error) -> Result<ExitCode, Failure> {
    match error.kind() {
        // Whoever read the output has enough (`| head`).
        io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(Failure::definite(format!("cannot write the output: {error}"))),
    }
}

/// Decodes one file to lines. The definitions of tables at its end.
fn decode(
    source: &str,
    file: &Path,
    log: Box<dyn Read>,
    tables: Snapshot,
    out: &mut impl Write,
) -> Result<Snapshot, Stop> {
    let failed = |error: &dyn std::fmt::Display| {
        Stop::Failed(Failure::definite(format!("cannot decode {}: {error}", file.display())))
    };
    let mut pieces = Pieces::start(log).map_err(|error| failed(&error))?;
    let mut decoder = Decoder::new(DecoderOptions {
        file: log_name(file).into(),
        offset: MAGIC.len() as u64,
        executed: None,
        catalog: Catalog::from_snapshot(Settings::default(), tables),
        selected: Box::new(|_| true),
        positional_names: true,
        payload_bytes: BUFFER_BYTES,
    });
    let mut writer = None;
    let mut lines = Vec::new();
    let mut arena = ArenaPool::new();
    while let Some(mut piece) = pieces.next_piece().map_err(|error| failed(&error))? {
        loop {
            let mut events = Vec::new();
            decoder.decode(&piece, &arena.arena(), &mut events).map_err(|error| failed(&error))?;
            let writer = writer.get_or_insert_with(|| {
                let mariadb = decoder.server_version().contains("MariaDB");
                EnvelopeWriter::new(if mariadb { "mariadb" } else { "mysql" }, source)
            });
            let now = jiff::Timestamp::now().as_millisecond();
            events
                .iter()
                .try_for_each(|event| writer.write(event, now, &mut lines))
                .map_err(|error| failed(&error))?;
            out.write_all(&lines).map_err(Stop::Output)?;
            lines.clear();
            drop(events);
            arena.reset();
            match decoder.take_rest() {
                Some(rest) => piece = rest,
                None => break,
            }
        }
    }
    Ok(decoder.catalog().snapshot())
}

/// Cuts a log into pieces of whole events.
struct Pieces {
    log: Box<dyn Read>,
    offset: u64,
}

impl Pieces {
    /// Reads the magic at the start of the file.
    fn start(mut log: Box<dyn Read>) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        log.read_exact(&mut magic)?;
        match &magic {
            MAGIC => Ok(Pieces { log, offset: MAGIC.len() as u64 }),
            ENCRYPTED_MAGIC => {
                Err(invalid("the file is encrypted; let the server send it, or decrypt it first"))
            }
            _ => Err(invalid("this is no binlog file")),
        }
    }

    /// Whole events of about [`PIECE_BYTES`]; the first piece is the first event alone, which names the server. `None` at
    /// the end.
    fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let wanted = if self.offset == MAGIC.len() as u64 { 1 } else { PIECE_BYTES };
        let mut piece = Vec::new();
        while piece.len() < wanted && self.read_event(&mut piece)? {}
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// Appends one event. `false` at the end of the file.
    fn read_event(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        let start = piece.len();
        let header = (&mut self.log).take(HEADER_BYTES).read_to_end(piece)? as u64;
        if header == 0 {
            return Ok(false);
        }
        // The length of the whole event: four bytes, little endian, at offset 9 of the header.
        let length =
            piece.get(start + 9..start + 13).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let Some(length) =
            length.map(u64::from).filter(|length| header == HEADER_BYTES && *length >= HEADER_BYTES)
        else {
            return Err(invalid(&format!("the event at offset {} has a damaged or cut header", self.offset)));
        };
        let body = (&mut self.log).take(length - HEADER_BYTES).read_to_end(piece)? as u64;
        if body != length - HEADER_BYTES {
            let message = format!(
                "the file ends inside of the event at offset {} (it is still written, or was cut)",
                self.offset
            );
            return Err(invalid(&message));
        }
        self.offset += length;
        Ok(true)
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
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
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            flate2::bufread::MultiGzDecoder::new(raw),
        )));
    }
    if start.starts_with(ZSTD_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            zstd::stream::Decoder::with_buffer(raw)?,
        )));
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
