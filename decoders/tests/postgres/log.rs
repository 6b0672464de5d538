//! The captured logs: see `fixtures/postgres/README.md`.

use std::{fmt, fs, path::PathBuf};

use slackwater_decoders::{
    postgres::{Decoder, DecoderOptions, copy, ddl, definitions::Definitions, lsn::Lsn, types::TypeCatalog},
    schema::TableName,
};

/// What a slot held.
pub(crate) struct Log {
    pub(crate) major: u8,
    pub(crate) version: u8,
    pub(crate) format: &'static str,
    pub(crate) messages: Vec<(Lsn, Vec<u8>)>,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}, protocol {}, {}", self.major, self.version, self.format)
    }
}

/// A value in both formats.
pub(crate) struct TwoForms {
    pub(crate) type_oid: u32,
    pub(crate) typmod: i32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/postgres").join(name);
    let bytes = zstd::decode_all(fs::File::open(&path).unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}

impl Log {
    pub(crate) fn all() -> Vec<Self> {
        let mut logs = vec![Log::load(10, 1, "text")];
        for (major, versions) in [(15, 1..=3), (18, 1..=4)] {
            for version in versions {
                logs.extend(["text", "binary"].map(|format| Log::load(major, version, format)));
            }
        }
        logs
    }

    pub(crate) fn load(major: u8, version: u8, format: &'static str) -> Self {
        let text = fixture(&format!("{major}-v{version}-{format}.log.zst"));
        let messages = text.lines().map(|line| {
            let (lsn, digits) = line.split_once("|\\x").unwrap();
            (lsn.parse().unwrap(), hex(digits))
        });
        Log { major, version, format, messages: messages.collect() }
    }

    /// The rows that the server printed when everything was done: table, then columns.
    pub(crate) fn expected(&self) -> Vec<(String, Vec<Option<String>>)> {
        let text = fixture(&format!("{}.expected.zst", self.major));
        let rows = text.lines().map(|line| {
            let mut row: Vec<Option<String>> = serde_json::from_str(line).unwrap();
            (row.remove(0).unwrap(), row)
        });
        rows.collect()
    }

    pub(crate) fn values(&self) -> Vec<TwoForms> {
        let text = fixture(&format!("{}.values.zst", self.major));
        let values = text.lines().map(|line| {
            let (type_oid, typmod, bytes, text): (u32, i32, String, String) =
                serde_json::from_str(line).unwrap();
            TwoForms { type_oid, typmod, bytes: hex(&bytes), text }
        });
        values.collect()
    }

    fn catalog_text(&self) -> String {
        fixture(&format!("{}.catalog.json.zst", self.major))
    }

    pub(crate) fn catalog_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.catalog_text()).unwrap()
    }

    pub(crate) fn catalog(&self) -> (TypeCatalog, Definitions) {
        let (mut types, mut definitions) = (TypeCatalog::new(), Definitions::new());
        let json = self.catalog_text();
        ddl::read_definitions(json.as_bytes(), &mut types, &mut definitions).unwrap();
        (types, definitions)
    }

    /// A decoder of the log. In the binary format without the types that only have a text format.
    pub(crate) fn decoder(&self, selected: fn(&TableName) -> bool) -> Decoder {
        let (types, definitions) = self.catalog();
        self.decoder_of(types, definitions, selected)
    }

    pub(crate) fn decoder_of(
        &self,
        types: TypeCatalog,
        definitions: Definitions,
        selected: fn(&TableName) -> bool,
    ) -> Decoder {
        let is_binary = self.format == "binary";
        Decoder::new(DecoderOptions {
            system: 1,
            timeline: 1,
            start: Lsn(0),
            types,
            definitions,
            selected: Box::new(move |name| {
                selected(name) && !(is_binary && matches!(&*name.table, "money" | "regclass"))
            }),
            payload_bytes: 1 << 16,
        })
    }
}

/// The `CopyData` message that a server would have sent.
pub(crate) fn frame(lsn: Lsn, message: &[u8]) -> Vec<u8> {
    let mut content = vec![b'w'];
    content.extend(lsn.0.to_be_bytes());
    content.extend(lsn.0.to_be_bytes());
    content.extend([0; 8]);
    content.extend(message);
    let mut frame = Vec::new();
    copy::append(&content, &mut frame).unwrap();
    frame
}
