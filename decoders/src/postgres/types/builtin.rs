//! The built-in types (`src/include/catalog/pg_type.dat`).

/// What is known of a built-in type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::postgres) enum Builtin {
    /// A type by that name.
    Scalar(&'static str),
    /// An array of the type of that OID.
    Array(u32),
    /// A range over the type of that OID, by that name.
    Range(&'static str, u32),
    /// A multirange of the ranges of that OID, by that name.
    Multirange(&'static str, u32),
}

pub(in crate::postgres) mod oid {
    pub(in crate::postgres) const BOOL: u32 = 16;
    pub(in crate::postgres) const BYTEA: u32 = 17;
    pub(in crate::postgres) const CHAR: u32 = 18;
    pub(in crate::postgres) const NAME: u32 = 19;
    pub(in crate::postgres) const INT8: u32 = 20;
    pub(in crate::postgres) const INT2: u32 = 21;
    pub(in crate::postgres) const INT2VECTOR: u32 = 22;
    pub(in crate::postgres) const INT4: u32 = 23;
    pub(in crate::postgres) const TEXT: u32 = 25;
    pub(in crate::postgres) const OID: u32 = 26;
    pub(in crate::postgres) const TID: u32 = 27;
    pub(in crate::postgres) const XID: u32 = 28;
    pub(in crate::postgres) const CID: u32 = 29;
    pub(in crate::postgres) const OIDVECTOR: u32 = 30;
    pub(in crate::postgres) const JSON: u32 = 114;
    pub(in crate::postgres) const XML: u32 = 142;
    pub(in crate::postgres) const POINT: u32 = 600;
    pub(in crate::postgres) const LSEG: u32 = 601;
    pub(in crate::postgres) const PATH: u32 = 602;
    pub(in crate::postgres) const BOX: u32 = 603;
    pub(in crate::postgres) const POLYGON: u32 = 604;
    pub(in crate::postgres) const LINE: u32 = 628;
    pub(in crate::postgres) const CIDR: u32 = 650;
    pub(in crate::postgres) const FLOAT4: u32 = 700;
    pub(in crate::postgres) const FLOAT8: u32 = 701;
    pub(in crate::postgres) const CIRCLE: u32 = 718;
    pub(in crate::postgres) const MACADDR8: u32 = 774;
    pub(in crate::postgres) const MONEY: u32 = 790;
    pub(in crate::postgres) const MACADDR: u32 = 829;
    pub(in crate::postgres) const INET: u32 = 869;
    pub(in crate::postgres) const BPCHAR: u32 = 1042;
    pub(in crate::postgres) const VARCHAR: u32 = 1043;
    pub(in crate::postgres) const DATE: u32 = 1082;
    pub(in crate::postgres) const TIME: u32 = 1083;
    pub(in crate::postgres) const TIMESTAMP: u32 = 1114;
    pub(in crate::postgres) const TIMESTAMPTZ: u32 = 1184;
    pub(in crate::postgres) const INTERVAL: u32 = 1186;
    pub(in crate::postgres) const TIMETZ: u32 = 1266;
    pub(in crate::postgres) const BIT: u32 = 1560;
    pub(in crate::postgres) const VARBIT: u32 = 1562;
    pub(in crate::postgres) const NUMERIC: u32 = 1700;
    pub(in crate::postgres) const REFCURSOR: u32 = 1790;
    pub(in crate::postgres) const UUID: u32 = 2950;
    pub(in crate::postgres) const TXID_SNAPSHOT: u32 = 2970;
    pub(in crate::postgres) const PG_LSN: u32 = 3220;
    pub(in crate::postgres) const TSVECTOR: u32 = 3614;
    pub(in crate::postgres) const TSQUERY: u32 = 3615;
    pub(in crate::postgres) const JSONB: u32 = 3802;
    pub(in crate::postgres) const JSONPATH: u32 = 4072;
    pub(in crate::postgres) const PG_SNAPSHOT: u32 = 5038;
    pub(in crate::postgres) const XID8: u32 = 5069;
}

impl Builtin {
    /// The built-in type of that OID.
    pub(in crate::postgres) fn of(oid: u32) -> Option<Self> {
        scalar(oid).map(Builtin::Scalar).or_else(|| element(oid).map(Builtin::Array)).or_else(|| range(oid))
    }
}

/// The name that `format_type` gives a type without a modifier.
fn scalar(oid: u32) -> Option<&'static str> {
    Some(match oid {
        oid::BOOL => "boolean",
        oid::BYTEA => "bytea",
        oid::CHAR => "\"char\"",
        oid::NAME => "name",
        oid::INT8 => "bigint",
        oid::INT2 => "smallint",
        oid::INT2VECTOR => "int2vector",
        oid::INT4 => "integer",
        24 => "regproc",
        oid::TEXT => "text",
        oid::OID => "oid",
        oid::TID => "tid",
        oid::XID => "xid",
        oid::CID => "cid",
        oid::OIDVECTOR => "oidvector",
        oid::JSON => "json",
        oid::XML => "xml",
        194 => "pg_node_tree",
        oid::POINT => "point",
        oid::LSEG => "lseg",
        oid::PATH => "path",
        oid::BOX => "box",
        oid::POLYGON => "polygon",
        oid::LINE => "line",
        oid::CIDR => "cidr",
        oid::FLOAT4 => "real",
        oid::FLOAT8 => "double precision",
        oid::CIRCLE => "circle",
        oid::MACADDR8 => "macaddr8",
        oid::MONEY => "money",
        oid::MACADDR => "macaddr",
        oid::INET => "inet",
        1033 => "aclitem",
        oid::BPCHAR => "bpchar",
        oid::VARCHAR => "character varying",
        oid::DATE => "date",
        oid::TIME => "time without time zone",
        oid::TIMESTAMP => "timestamp without time zone",
        oid::TIMESTAMPTZ => "timestamp with time zone",
        oid::INTERVAL => "interval",
        oid::TIMETZ => "time with time zone",
        oid::BIT => "\"bit\"",
        oid::VARBIT => "bit varying",
        oid::NUMERIC => "numeric",
        oid::REFCURSOR => "refcursor",
        2202 => "regprocedure",
        2203 => "regoper",
        2204 => "regoperator",
        2205 => "regclass",
        2206 => "regtype",
        oid::UUID => "uuid",
        oid::TXID_SNAPSHOT => "txid_snapshot",
        oid::PG_LSN => "pg_lsn",
        3361 => "pg_ndistinct",
        3402 => "pg_dependencies",
        oid::TSVECTOR => "tsvector",
        oid::TSQUERY => "tsquery",
        3642 => "gtsvector",
        3734 => "regconfig",
        3769 => "regdictionary",
        oid::JSONB => "jsonb",
        oid::JSONPATH => "jsonpath",
        4089 => "regnamespace",
        4096 => "regrole",
        4191 => "regcollation",
        5017 => "pg_mcv_list",
        oid::PG_SNAPSHOT => "pg_snapshot",
        oid::XID8 => "xid8",
        _ => return None,
    })
}

/// The elements' type of an array.
fn element(oid: u32) -> Option<u32> {
    Some(match oid {
        143 => oid::XML,
        199 => oid::JSON,
        271 => oid::XID8,
        629 => oid::LINE,
        651 => oid::CIDR,
        719 => oid::CIRCLE,
        775 => oid::MACADDR8,
        791 => oid::MONEY,
        1000 => oid::BOOL,
        1001 => oid::BYTEA,
        1002 => oid::CHAR,
        1003 => oid::NAME,
        1005 => oid::INT2,
        1006 => oid::INT2VECTOR,
        1007 => oid::INT4,
        1008 => 24,
        1009 => oid::TEXT,
        1010 => oid::TID,
        1011 => oid::XID,
        1012 => oid::CID,
        1013 => oid::OIDVECTOR,
        1014 => oid::BPCHAR,
        1015 => oid::VARCHAR,
        1016 => oid::INT8,
        1017 => oid::POINT,
        1018 => oid::LSEG,
        1019 => oid::PATH,
        1020 => oid::BOX,
        1021 => oid::FLOAT4,
        1022 => oid::FLOAT8,
        1027 => oid::POLYGON,
        1028 => oid::OID,
        1034 => 1033,
        1040 => oid::MACADDR,
        1041 => oid::INET,
        1115 => oid::TIMESTAMP,
        1182 => oid::DATE,
        1183 => oid::TIME,
        1185 => oid::TIMESTAMPTZ,
        1187 => oid::INTERVAL,
        1231 => oid::NUMERIC,
        1270 => oid::TIMETZ,
        1561 => oid::BIT,
        1563 => oid::VARBIT,
        2201 => oid::REFCURSOR,
        2207 => 2202,
        2208 => 2203,
        2209 => 2204,
        2210 => 2205,
        2211 => 2206,
        2949 => oid::TXID_SNAPSHOT,
        2951 => oid::UUID,
        3221 => oid::PG_LSN,
        3643 => oid::TSVECTOR,
        3644 => 3642,
        3645 => oid::TSQUERY,
        3735 => 3734,
        3770 => 3769,
        3807 => oid::JSONB,
        3905 => 3904,
        3907 => 3906,
        3909 => 3908,
        3911 => 3910,
        3913 => 3912,
        3927 => 3926,
        4073 => oid::JSONPATH,
        4090 => 4089,
        4097 => 4096,
        4192 => 4191,
        5039 => oid::PG_SNAPSHOT,
        6150 => 4451,
        6151 => 4532,
        6152 => 4533,
        6153 => 4534,
        6155 => 4535,
        6157 => 4536,
        _ => return None,
    })
}

fn range(oid: u32) -> Option<Builtin> {
    Some(match oid {
        3904 => Builtin::Range("int4range", oid::INT4),
        3906 => Builtin::Range("numrange", oid::NUMERIC),
        3908 => Builtin::Range("tsrange", oid::TIMESTAMP),
        3910 => Builtin::Range("tstzrange", oid::TIMESTAMPTZ),
        3912 => Builtin::Range("daterange", oid::DATE),
        3926 => Builtin::Range("int8range", oid::INT8),
        4451 => Builtin::Multirange("int4multirange", 3904),
        4532 => Builtin::Multirange("nummultirange", 3906),
        4533 => Builtin::Multirange("tsmultirange", 3908),
        4534 => Builtin::Multirange("tstzmultirange", 3910),
        4535 => Builtin::Multirange("datemultirange", 3912),
        4536 => Builtin::Multirange("int8multirange", 3926),
        _ => return None,
    })
}
