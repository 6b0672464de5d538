//! What a type is for reading its values.

use std::sync::Arc;

use crate::postgres::types::{Builtin, TypeCatalog, TypeKind, bits, oid};

/// How values of a type are read.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bool,
    /// A signed integer in that many bytes: 2, 4 or 8.
    Int(u8),
    /// An unsigned integer in that many bytes: 4 or 8.
    UInt(u8),
    Float,
    Double,
    Numeric,
    /// Text that is the same in both formats.
    Text,
    Bytea,
    Date,
    /// These with their fractional digits.
    Time(u8),
    DateTime(u8),
    Timestamp(u8),
    Uuid,
    Json,
    /// A version before the text in the binary format.
    Jsonb,
    Bits(u16),
    Enum(Arc<[String]>),
    /// What is read as the source's own text.
    Native(Native),
}

/// How the source's own text comes from the binary format.
#[derive(Clone, Debug)]
pub(super) enum Native {
    /// As it is.
    Same,
    /// Behind a version, which is 1.
    Versioned,
    Char,
    Interval,
    TimeTz,
    Network,
    MacAddress,
    BitString,
    Point,
    Segment,
    Path,
    Box,
    Polygon,
    Line,
    Circle,
    TsVector,
    TsQuery,
    Lsn,
    Tid,
    Snapshot,
    Hstore,
    Array {
        element: u32,
        kind: Box<Kind>,
        delimiter: char,
    },
    /// An array that prints as numbers with blanks between them.
    Vector(Box<Kind>),
    Composite(Arc<[(u32, Kind)]>),
    Range(Box<Kind>),
    Multirange(Box<Kind>),
    /// Not at all.
    Refused,
}

/// How deep types may lie in each other.
const DEPTH: u8 = 32;

impl Kind {
    pub(super) fn of(type_oid: u32, typmod: i32, types: &TypeCatalog) -> Self {
        Kind::nested(type_oid, typmod, types, DEPTH)
    }

    fn nested(type_oid: u32, typmod: i32, types: &TypeCatalog, depth: u8) -> Self {
        let Some(depth) = depth.checked_sub(1) else { return Kind::Native(Native::Refused) };
        let of = |oid| Box::new(Kind::nested(oid, -1, types, depth));
        let array = |element| {
            let delimiter = if element == oid::BOX { ';' } else { ',' };
            Kind::Native(Native::Array { element, kind: of(element), delimiter })
        };
        match Builtin::of(type_oid) {
            Some(Builtin::Scalar(_)) => return scalar(type_oid, typmod),
            Some(Builtin::Array(element)) => return array(element),
            Some(Builtin::Range(_, subtype)) => return Kind::Native(Native::Range(of(subtype))),
            Some(Builtin::Multirange(_, range)) => return Kind::Native(Native::Multirange(of(range))),
            None => {}
        }
        let Some(definition) = types.get(type_oid) else { return Kind::Native(Native::Refused) };
        match &definition.kind {
            TypeKind::Enum(labels) => Kind::Enum(Arc::clone(labels)),
            TypeKind::Domain { base, typmod } => Kind::nested(*base, *typmod, types, depth),
            TypeKind::Composite(attributes) => {
                let kinds = attributes.iter().map(|attribute| {
                    (attribute.type_oid, Kind::nested(attribute.type_oid, attribute.typmod, types, depth))
                });
                Kind::Native(Native::Composite(kinds.collect()))
            }
            TypeKind::Array { element } => array(*element),
            TypeKind::Range { subtype } => Kind::Native(Native::Range(of(*subtype))),
            TypeKind::Multirange { range } => Kind::Native(Native::Multirange(of(*range))),
            TypeKind::Base => match definition.name.as_str() {
                "citext" => Kind::Text,
                "hstore" => Kind::Native(Native::Hstore),
                "ltree" | "lquery" | "ltxtquery" => Kind::Native(Native::Versioned),
                _ => Kind::Native(Native::Refused),
            },
        }
    }

    /// Whether values can be read from the binary format.
    pub(super) fn has_binary(&self) -> bool {
        let Kind::Native(native) = self else { return true };
        match native {
            Native::Refused => false,
            Native::Array { kind, .. }
            | Native::Vector(kind)
            | Native::Range(kind)
            | Native::Multirange(kind) => kind.has_binary(),
            Native::Composite(kinds) => kinds.iter().all(|(_, kind)| kind.has_binary()),
            _ => true,
        }
    }
}

fn scalar(type_oid: u32, typmod: i32) -> Kind {
    let precision = u8::try_from(typmod).ok().filter(|digits| *digits <= 6).unwrap_or(6);
    let native = match type_oid {
        oid::BOOL => return Kind::Bool,
        oid::INT2 => return Kind::Int(2),
        oid::INT4 => return Kind::Int(4),
        oid::INT8 => return Kind::Int(8),
        oid::OID | oid::XID | oid::CID => return Kind::UInt(4),
        oid::XID8 => return Kind::UInt(8),
        oid::FLOAT4 => return Kind::Float,
        oid::FLOAT8 => return Kind::Double,
        oid::NUMERIC => return Kind::Numeric,
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::REFCURSOR => return Kind::Text,
        oid::BYTEA => return Kind::Bytea,
        oid::DATE => return Kind::Date,
        oid::TIME => return Kind::Time(precision),
        oid::TIMESTAMP => return Kind::DateTime(precision),
        oid::TIMESTAMPTZ => return Kind::Timestamp(precision),
        oid::UUID => return Kind::Uuid,
        oid::JSON => return Kind::Json,
        oid::JSONB => return Kind::Jsonb,
        oid::BIT => match bits(typmod) {
            Some(length) => return Kind::Bits(length),
            None => Native::BitString,
        },
        oid::VARBIT => Native::BitString,
        oid::XML => Native::Same,
        oid::JSONPATH => Native::Versioned,
        oid::CHAR => Native::Char,
        oid::INTERVAL => Native::Interval,
        oid::TIMETZ => Native::TimeTz,
        oid::INET | oid::CIDR => Native::Network,
        oid::MACADDR | oid::MACADDR8 => Native::MacAddress,
        oid::POINT => Native::Point,
        oid::LSEG => Native::Segment,
        oid::PATH => Native::Path,
        oid::BOX => Native::Box,
        oid::POLYGON => Native::Polygon,
        oid::LINE => Native::Line,
        oid::CIRCLE => Native::Circle,
        oid::TSVECTOR => Native::TsVector,
        oid::TSQUERY => Native::TsQuery,
        oid::PG_LSN => Native::Lsn,
        oid::TID => Native::Tid,
        oid::TXID_SNAPSHOT | oid::PG_SNAPSHOT => Native::Snapshot,
        oid::INT2VECTOR => Native::Vector(Box::new(Kind::Int(2))),
        oid::OIDVECTOR => Native::Vector(Box::new(Kind::UInt(4))),
        // Money depends on lc_monetary; names of catalog objects come as their OIDs.
        _ => Native::Refused,
    };
    Kind::Native(native)
}
