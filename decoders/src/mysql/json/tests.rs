#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::arena::ArenaPool;
use crate::value::{Date, DateTime, Time, TypedScalar, Value};

/// Documents as MySQL 9.7 wrote them into its binlog (WRITE_ROWS), with the text of SELECT. Above each: what was
/// inserted.
#[rustfmt::skip]
const DOCUMENTS: &[(&str, &str)] = &[
    // json_array(cast(_binary'ab' as json), cast(x'00ff' as json), cast(b'101' as json))
    (
        "02030018000f0d000f11000f15000f0261620f0200ff0f0105",
        r##"["base64:type15:YWI=", "base64:type15:AP8=", "base64:type15:BQ=="]"##,
    ),
    // json_array(cast(1.50 as decimal(10,4)), cast('0.5' as decimal(10,5)), cast(-0.00 as decimal(3,2)), cast('-12345678901234567890.123456789' as decimal(40,15)))
    (
        "02040045000f10000f1a000f25000f2e00f6080d04800000011388f6090e058000000000c350f6070b028000000000f6152a0f7ffffff3eb655bcaf204c72df8a432eaffffff",
        r##"[1.5000, 0.50000, 0.00, -12345678901234567890.123456789000000]"##,
    ),
    // json_array(cast('2024-02-29' as date), cast('-838:59:58.5' as time(1)), cast('2024-01-02 03:04:05.6' as datetime(1)))
    (
        "0203002b000f0d000f17000f21000a080000000000bab2190b08e05ef80591cbffff0c08c02709053144b219",
        r##"["2024-02-29", "-838:59:58.500000", "2024-01-02 03:04:05.600000"]"##,
    ),
    // json_array(repeat(_binary x'ff', 60))
    (
        "02010045000f07000f3cffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        r##"["base64:type15:////////////////////////////////////////////////////////////////////////////\n////"]"##,
    ),
    // json_array(1e15, 1e14, 123456789012345678e0, 1234567890123456.7e0, 1e-15, 1e-16, -0e0, -1e-15, 1.7976931348623157e308, 5e-324, 0.1e0+0.2e0)
    (
        "020b007d000b25000b2d000b35000b3d000b45000b4d000b55000b5d000b65000b6d000b750000003426f56b0c430000901ec4bcd642350f63bab4697b4303eb2af2548b11431656e79eaf03d23cbc89d897b2d29c3c00000000000000801656e79eaf03d2bcffffffffffffef7f0100000000000000343333333333d33f",
        r##"[1e15, 100000000000000.0, 1.2345678901234568e17, 1234567890123456.8, 0.000000000000001, 1e-16, -0.0, -0.000000000000001, 1.7976931348623157e308, 5e-324, 0.30000000000000004]"##,
    ),
    // '[1E2, 18446744073709551615, 1.0, 32768, 65536, 2147483648, -32769, null, true, false, -9223372036854775808]'
    (
        "020b0059000b25000a2d000b3500073d00074100094500074d000400000401000402000951000000000000005940ffffffffffffffff000000000000f03f00800000000001000000008000000000ff7fffff0000000000000080",
        r##"[100.0, 18446744073709551615, 1.0, 32768, 65536, 2147483648, -32769, null, true, false, -9223372036854775808]"##,
    ),
    // '{"b":1,"a":2,"aa":[{}],"":{"x y":[], "é": "\\u0001\\\\\\"\\n/"}}'
    (
        "000400500020000000200001002100010022000200002400050200050100024500616261610200210012000200140003000c1700021d00c3a978207905015c220a2f0000040001000b0000070000000400",
        r##"{"": {"é": "\u0001\\\"\n/", "x y": []}, "a": 2, "b": 1, "aa": [{}]}"##,
    ),
    // 'null'
    (
        "0400",
        r##"null"##,
    ),
    // '"s"'
    (
        "0c0173",
        r##""s""##,
    ),
    // json_object('k', cast('12:34:56.789' as time(3)), 'q r', json_array(1, cast(2.5 as decimal(3,1))))
    (
        "000200330012000100130003000f16000220006b7120720b08080a0cb8c8000000020013000501000f0a00f6070a018000000205",
        r##"{"k": "12:34:56.789000", "q r": [1, 2.5]}"##,
    ),
    // json_array(a, cast(a as json)) from (timestamp(3) column a, '2024-05-06 07:08:09.123')
    (
        "0202001e000f0a000f1400070878e00109724cb319070878e00109724cb319",
        r##"["2024-05-06 07:08:09.123000", "2024-05-06 07:08:09.123000"]"##,
    ),
    // MySQL 5.7, which wraps long times in the cast already: json_array(cast('2024-02-29' as date), cast('-838:59:58.5' as time(1)), cast('838:59:58' as time), cast('2024-01-02 03:04:05.6' as datetime(1)))
    (
        "02040038000f10000f1a000f24000f2e000a080000000000bab2190b08e05ef80591d8ffff0b08000000fa6e2700000c08c02709053144b219",
        r##"["2024-02-29", "-630:59:58.500000", "630:59:58.000000", "2024-01-02 03:04:05.600000"]"##,
    ),
];

/// Before image and diff of consecutive updates of one row (PARTIAL_UPDATE_ROWS of MySQL 9.7, row image FULL): the
/// document after each is the one before the next. The row was
/// `{"a":[1,2,{"b c":"x"}],"long name":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy","n":1.50,"z":[1,2,3]}`; the updates:
///
/// 1. `json_set(j, '$.a[2]."b c"', cast(9.75 as decimal(5,2)))`
/// 2. `json_set(j, '$.a[1]', 'é', '$.nw', json_object('k', 2))`
/// 3. `json_remove(j, '$."long name"', '$.a[0]')`
/// 4. `json_set(j, '$.z[last]', json_array(1.0), '$.z[10]', 'end')`
/// 5. `json_remove(json_replace(j, '$.n', null), '$.z[last-1]')`
/// 6. `json_set(j, '$."nä\\"x"', true, '$.$_1', false)`
#[rustfmt::skip]
const UPDATES: &[(&str, &str)] = &[
    (
        "000400800020000100210001002200010023000900022c000b49000251000c5e00616e7a6c6f6e67206e616d6503001d00050100050200000d00010010000b0003000c0e006220630178000000000000f83f03000d0005010005020005030021797979797979797979797979797979797979797979797979797979797979797979",
        "000c242e615b325d2e22622063220a0ff6070b02800000094b",
    ),
    (
        "000400870020000100210001002200010023000900022c000b50000258000c6500616e7a6c6f6e67206e616d6503002400050100050200000d00010017000b0003000f0e00622063f6070b02800000094b000000000000f83f03000d0005010005020005030021797979797979797979797979797979797979797979797979797979797979797979",
        "0006242e615b315d040c02c3a90104242e6e770d0001000c000b0001000502006b",
    ),
    (
        "0005009f002700010028000100290001002a0002002c0009000235000b5c000264000071000c7d00616e7a6e776c6f6e67206e616d65030027000501000c0d0000100002c3a9010017000b0003000f0e00622063f6070b02800000094b000000000000f83f03000d0005010005020005030001000c000b0001000502006b21797979797979797979797979797979797979797979797979797979797979797979",
        "020d242e226c6f6e67206e616d65220206242e615b305d",
    ),
    (
        "0004009f002700010028000100290001002a0002000235000b5c00026400007100000071000c7d00616e7a6e776c6f6e67206e616d65020027000c0d0000100000100002c3a9010017000b0003000f0e00622063f6070b02800000094b000000000000f83f03000d0005010005020005030001000c000b0001000502006b21797979797979797979797979797979797979797979797979797979797979797979",
        "0009242e7a5b6c6173745d0e0201000d000f0700f604020181000107242e7a5b31305d050c03656e64",
    ),
    (
        "0004007e00200001002100010022000100230002000225000b4900025100007200616e7a6e77020024000c0a00000d0002c3a9010017000b0003000f0e00622063f6070b02800000094b000000000000f83f040021000501000502000210000c1d0001000d000f0700f6040201810003656e6401000c000b0001000502006b",
        "0003242e6e020400020b242e7a5b6c6173742d315d",
    ),
    (
        "0004007e0020000100210001002200010023000200022500040000025100007200616e7a6e77020024000c0a00000d0002c3a9010017000b0003000f0e00622063f6070b02800000094b000000000000f83f030021000501000502000c1d000c1d0001000d000f0700f6040201810003656e6401000c000b0001000502006b",
        "010a242e226ec3a45c2278220204010105242e245f31020402",
    ),
];

/// What SELECT showed after the last of [`UPDATES`].
const UPDATED: &str = r##"{"a": ["é", {"b c": 9.75}], "n": null, "z": [1, 2, "end"], "nw": {"k": 2}, "$_1": false, "nä\"x": true}"##;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn documents_print_as_on_the_server() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    for (hex, text) in DOCUMENTS {
        assert_eq!(decode(&bytes(hex), &arena).unwrap().text, *text);
    }
    assert_eq!(decode(&[], &arena).unwrap().text, "null");
}

#[test]
fn types_that_text_loses_are_kept() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let typed = |document: usize| decode(&bytes(DOCUMENTS[document].0), &arena).unwrap().typed;
    let scalar = |path, value| TypedScalar { path, value };
    assert_eq!(typed(0)[1], scalar("$[1]", Value::Binary(&[0x00, 0xFF])));
    assert_eq!(typed(1)[3], scalar("$[3]", Value::Decimal("-12345678901234567890.123456789000000")));
    let date = Date { year: 2024, month: 1, day: 2 };
    let date_time = DateTime { date, hour: 3, minute: 4, second: 5, precision: 6, micros: 600_000 };
    let negative = Time { micros: -(((838 * 60 + 59) * 60 + 58) * 1_000_000 + 500_000), precision: 6 };
    assert_eq!(typed(2)[0], scalar("$[0]", Value::Date(Date { year: 2024, month: 2, day: 29 })));
    assert_eq!(typed(2)[1], scalar("$[1]", Value::Time(negative)));
    assert_eq!(typed(2)[2], scalar("$[2]", Value::DateTime(date_time)));
    assert_eq!(typed(9)[1], scalar("$.\"q r\"[1]", Value::Decimal("2.5")));
    assert!(typed(5).is_empty());
}

#[test]
fn partial_updates_lead_from_one_image_to_the_next() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let mut text = decode(&bytes(UPDATES[0].0), &arena).unwrap().text.to_owned();
    for (place, (before, changes)) in UPDATES.iter().enumerate() {
        let after = match UPDATES.get(place + 1) {
            Some((next, _)) => decode(&bytes(next), &arena).unwrap().text,
            None => UPDATED,
        };
        assert_eq!(apply(&bytes(before), &bytes(changes), &arena).unwrap().text, after);
        text = apply_to_text(&text, diff(&bytes(changes), &arena).unwrap()).unwrap();
        assert_eq!(text, after);
    }
}

#[test]
fn types_survive_a_partial_update() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let (before, changes) = UPDATES[0];
    let after = apply(&bytes(before), &bytes(changes), &arena).unwrap();
    assert_eq!(after.typed, [TypedScalar { path: "$.a[2].\"b c\"", value: Value::Decimal("9.75") }]);
    let step = diff(&bytes(changes), &arena).unwrap().steps[0];
    assert_eq!((step.operation, step.path), (JsonDiffOperation::Replace, "$.a[2].\"b c\""));
    assert_eq!(step.value.unwrap().typed, [TypedScalar { path: "$", value: Value::Decimal("9.75") }]);
}

#[test]
fn a_diff_that_does_not_fit_is_refused() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    // Update 3 removes what is no longer there when it is applied again.
    let (before, _) = UPDATES[3];
    let (_, removal) = UPDATES[2];
    assert!(apply(&bytes(before), &bytes(removal), &arena).is_err());
    let removal = diff(&bytes(removal), &arena).unwrap();
    assert!(apply_to_text("{}", removal).is_err());
    assert!(apply_to_text("no JSON", removal).is_err());
}

#[test]
fn text_keeps_digits_and_takes_the_order_of_the_server() {
    let before = r#"{"bb": 1.10000000000000000000000000001, "a": [1e400, "\u00e9\/", {}], "$serde_json::private::Number": "1",
        "a": [-0.0, "\u00e9\/"]}"#;
    let none = JsonDiff { steps: &[] };
    assert_eq!(
        apply_to_text(before, &none).unwrap(),
        r#"{"a": [-0.0, "é/"], "bb": 1.10000000000000000000000000001, "$serde_json::private::Number": "1"}"#
    );
    for invalid in ["", "[1,]", "{\"a\" 1}", "[01]", "nul", "1 2", "\"a", "[NaN]", "{1: 2}", "[\"\u{1}\"]"] {
        assert!(apply_to_text(invalid, &none).is_err(), "{invalid}");
    }
    let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
    assert!(apply_to_text(&deep(100), &none).is_ok());
    assert!(apply_to_text(&deep(101), &none).is_err());
}

/// A small array that holds itself in each of its cells (the depth alone would allow 100 levels of them).
#[test]
fn overlapping_values_do_not_multiply() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let cells = 60_u16;
    let mut document = vec![0x02];
    for _ in 0..2 {
        // The outer array's cells all point to the inner one, whose cells all point to one string.
        let size = 4 + cells * 3 + if document.len() == 1 { 4 + cells * 3 + 40 } else { 40 };
        document.extend(cells.to_le_bytes());
        document.extend(size.to_le_bytes());
        let kind = if document.len() == 5 { 0x02 } else { 0x0C };
        for _ in 0..cells {
            document.push(kind);
            document.extend((4 + cells * 3).to_le_bytes());
        }
    }
    document.push(39);
    document.extend([b'x'; 39]);
    assert_eq!(decode(&document, &arena), Err(Malformed("has JSON values that overlap")));
}

#[test]
fn damaged_bytes_never_panic_nor_swell() {
    let mut pool = ArenaPool::new();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let documents: Vec<Vec<u8>> = DOCUMENTS.iter().map(|(hex, _)| bytes(hex)).collect();
    let updates: Vec<_> = UPDATES.iter().map(|(before, changes)| (bytes(before), bytes(changes))).collect();
    for round in 0..200_000 {
        let (mut document, mut changes) = if round % 2 == 0 {
            (documents[random(documents.len())].clone(), Vec::new())
        } else {
            updates[random(updates.len())].clone()
        };
        for _ in 0..=random(4) {
            let target = if changes.is_empty() || random(2) == 0 { &mut document } else { &mut changes };
            let place = random(target.len());
            target[place] = if random(2) == 0 { random(256) as u8 } else { target[place] ^ 1 << random(8) };
        }
        document.truncate(document.len() - random(4).saturating_sub(2).min(document.len()));
        let arena = pool.arena();
        if let Ok(json) = decode(&document, &arena) {
            // Six characters for an escaped byte, and some more for each number of at least one byte.
            assert!(json.text.len() <= 64 * (document.len() + 1), "{document:x?}");
        }
        _ = diff(&changes, &arena);
        _ = apply(&document, &changes, &arena);
        drop(arena);
        if round % 1000 == 0 {
            pool.reset();
        }
    }
}
