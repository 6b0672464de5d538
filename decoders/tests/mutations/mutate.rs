//! Mutations that know how a log is built: they change one thing and keep what surrounds it right, so that the mutant gets
//! past the first checks.

use std::ops::Range;

use slackwater_decoders::mysql::{event_type as types, reader::Reader};

use crate::{
    compressed,
    log::{Log, RawEvent, write_lenenc},
    random::Random,
    table_map::TableMap,
};

/// Changes a log in one to four places. `others` is where foreign events come from.
pub(crate) fn mutate(log: &mut Log, others: &[Log], random: &mut Random) {
    for _ in 0..=random.below(4) {
        match random.below(16) {
            0 => rearrange(log, others, random),
            1 => {
                let has_checksum = log.has_checksum;
                if let Some(event) = some_event(log, random) {
                    header(event, has_checksum, random);
                }
            }
            2 | 3 => map_and_rows(log, random),
            _ => {
                if let Some(event) = some_event(log, random) {
                    body(event, others, random);
                }
            }
        }
    }
}

/// Any event; the format description rarely, since little is decoded when it is wrong.
fn some_event<'l>(log: &'l mut Log, random: &mut Random) -> Option<&'l mut RawEvent> {
    let first = usize::from(!random.one_in(20) && log.events.len() > 1);
    let place = first + random.below(log.events.len() - first.min(log.events.len()));
    log.events.get_mut(place)
}

/// Repeats, removes, moves or inserts whole events, or splits one into fragments.
fn rearrange(log: &mut Log, others: &[Log], random: &mut Random) {
    let count = log.events.len();
    let (from, to) = (random.below(count), random.below(count));
    match random.below(6) {
        0 => {
            let event = log.events[from].clone();
            log.events.insert(to, event);
        }
        1 if count > 1 => _ = log.events.remove(from),
        2 => log.events.swap(from, to),
        3 => {
            let other = random.pick(others);
            let event = random.pick(&other.events).clone();
            log.events.insert(to, event);
        }
        4 => fragments(log, from, random),
        _ => {
            let other = random.pick(others);
            log.events.extend_from_slice(&other.events[1..]);
        }
    }
}

/// Puts an event into MariaDB's PARTIAL_ROW_DATA events.
fn fragments(log: &mut Log, place: usize, random: &mut Random) {
    let whole = Log { events: vec![log.events[place].clone()], has_checksum: false }.bytes();
    let size = 1 + random.below(whole.len());
    let pieces: Vec<&[u8]> = whole.chunks(size.max(whole.len().div_ceil(8))).collect();
    let header = log.events[place].header;
    let events: Vec<RawEvent> = pieces
        .iter()
        .enumerate()
        .map(|(number, piece)| {
            let mut body = (pieces.len() as u32).to_le_bytes().to_vec();
            body.extend_from_slice(&(number as u32 + 1).to_le_bytes());
            body.push(u8::from(number == 0));
            if number == 0 {
                body.extend_from_slice(&(whole.len() as u64).to_le_bytes());
            }
            body.extend_from_slice(piece);
            let mut header = header;
            header.event_type = types::MARIADB_PARTIAL_ROW_DATA;
            RawEvent::new(header, body)
        })
        .collect();
    log.events.splice(place..=place, events);
}

/// Changes the header, or makes it lie.
fn header(event: &mut RawEvent, has_checksum: bool, random: &mut Random) {
    match random.below(7) {
        0 => event.header.event_type = random.next() as u8,
        1 => {
            event.header.event_type =
                *random.pick(&[2, 4, 15, 19, 23, 25, 29, 30, 32, 33, 35, 39, 40, 41, 42, 162, 164, 166])
        }
        2 => event.header.flags ^= 1 << random.below(16),
        3 => event.header.timestamp = random.integer() as u32,
        4 => event.false_length = Some(random.integer() as u32),
        5 => event.false_position = Some(random.integer() as u32),
        _ => event.breaks_checksum = has_checksum,
    }
}

/// Changes a table map, and makes the rows that follow fit it or not.
fn map_and_rows(log: &mut Log, random: &mut Random) {
    let maps: Vec<usize> =
        (0..log.events.len()).filter(|i| log.events[*i].header.event_type == types::TABLE_MAP).collect();
    if maps.is_empty() {
        return;
    }
    let place = *random.pick(&maps);
    let Some(mut map) = TableMap::parse(&log.events[place].body) else { return };
    for _ in 0..random.below(3) {
        map.mutate(random);
    }
    log.events[place].body = map.write();
    let columns = map.columns();
    if random.one_in(3) {
        return;
    }
    for event in log.events.iter_mut().skip(place + 1).take(2) {
        if let Some(parts) = RowsParts::of(event) {
            let rows = if random.one_in(2) {
                event.body[parts.rows.clone()].to_vec()
            } else {
                let most = if random.one_in(10) { 4000 } else { 200 };
                let length = random.below(most);
                random.bytes(length)
            };
            event.body.truncate(parts.width.start);
            write_lenenc(columns as u64, &mut event.body);
            for _ in 0..parts.images {
                let mut bitmap = vec![*random.pick(&[0xFF, 0xFF, 0, 1]); columns.div_ceil(8)];
                if random.one_in(4) {
                    bitmap = random.bytes(bitmap.len());
                } else if random.one_in(4) {
                    // Few columns of perhaps many: the shortest rows there are.
                    bitmap.fill(0);
                    bitmap.iter_mut().take(1).for_each(|byte| *byte = random.byte());
                }
                event.body.extend_from_slice(&bitmap);
            }
            event.body.extend_from_slice(&rows);
        }
    }
}

/// Where the parts of a rows event are in its body.
struct RowsParts {
    width: Range<usize>,
    images: usize,
    rows: Range<usize>,
}

impl RowsParts {
    fn of(event: &RawEvent) -> Option<Self> {
        let code = event.header.event_type;
        let is_v1 = matches!(code, types::WRITE_ROWS_V1..=types::DELETE_ROWS_V1);
        if !is_v1 && !matches!(code, types::WRITE_ROWS..=types::DELETE_ROWS | types::PARTIAL_UPDATE_ROWS) {
            return None;
        }
        let images = match code {
            types::UPDATE_ROWS_V1 | types::UPDATE_ROWS | types::PARTIAL_UPDATE_ROWS => 2,
            _ => 1,
        };
        let mut reader = Reader::new(&event.body);
        reader.skip(8).ok()?;
        if !is_v1 {
            let extra = usize::from(reader.u16().ok()?);
            reader.skip(extra.checked_sub(2)?).ok()?;
        }
        let start = event.body.len() - reader.len();
        let columns = usize::try_from(reader.lenenc().ok()?).ok()?;
        let width = start..event.body.len() - reader.len();
        reader.skip(columns.div_ceil(8).checked_mul(images)?).ok()?;
        Some(RowsParts { width, images, rows: event.body.len() - reader.len()..event.body.len() })
    }
}

/// Changes an event's content at a place that its type makes interesting.
fn body(event: &mut RawEvent, others: &[Log], random: &mut Random) {
    let code = event.header.event_type;
    match code {
        types::TRANSACTION_PAYLOAD if !random.one_in(4) => return payload(event, others, random),
        types::QUERY if random.one_in(2) => return statement(event, others, random),
        types::TABLE_MAP if random.one_in(2) => {
            if let Some(mut map) = TableMap::parse(&event.body) {
                map.mutate(random);
                event.body = map.write();
                return;
            }
        }
        _ => {}
    }
    if let Some(start) = compressed::start_of_compressed(code, &event.body)
        && random.one_in(2)
        && let Some(mut data) = compressed::inflate(&event.body[start..])
    {
        damage(random, &mut data);
        if random.one_in(2000) {
            data.resize(1 << 20, 0);
        }
        event.body.truncate(start);
        event.body.extend_from_slice(&compressed::deflate(&data));
        return;
    }
    let mut places = structure(event);
    if places.is_empty() || random.one_in(4) {
        return damage(random, &mut event.body);
    }
    let place = places.swap_remove(random.below(places.len()));
    damage_range(random, &mut event.body, place);
}

/// Mutates the events of a compressed transaction and compresses them again.
fn payload(event: &mut RawEvent, others: &[Log], random: &mut Random) {
    let Some(bytes) = compressed::open_payload(&event.body) else { return };
    let mut inner = Log::parse(&bytes, false);
    if inner.events.is_empty() {
        return;
    }
    if random.one_in(8) {
        let place = random.below(inner.events.len());
        header(&mut inner.events[place], false, random);
    } else if random.one_in(8) {
        map_and_rows(&mut inner, random);
    } else if let Some(event) = some_event(&mut inner, random) {
        // A payload in a payload must not recurse without end.
        if event.header.event_type != types::TRANSACTION_PAYLOAD {
            body(event, others, random);
        }
        if random.one_in(2000) {
            event.body.resize(1 << 20, 0);
        }
    }
    let mut bytes = inner.bytes();
    if random.one_in(20) {
        damage(random, &mut bytes);
    }
    event.body = compressed::close_payload(&bytes, !random.one_in(4));
}

/// Mutates the text of a statement, or puts another one in its place.
fn statement(event: &mut RawEvent, others: &[Log], random: &mut Random) {
    let Some(start) = statement_start(&event.body) else { return };
    let mut text = event.body.split_off(start);
    const PIECES: [&str; 24] = [
        "(",
        ")",
        "'",
        "\"",
        "`",
        "/*",
        "*/",
        "/*!50000 ",
        "/*M! ",
        "--",
        "#",
        ";",
        ",",
        ".",
        "\\",
        "\0",
        "@@",
        "CREATE TABLE ",
        "ALTER TABLE ",
        " START TRANSACTION",
        "DEFAULT ",
        "PRIMARY KEY ",
        "CASE ",
        "SELECT ",
    ];
    match random.below(6) {
        0 => {
            let piece = random.pick(&PIECES);
            let count = if random.one_in(50) { 20_000 } else { 1 + random.below(4) };
            let place = random.below(text.len() + 1);
            text.splice(place..place, piece.repeat(count).into_bytes());
        }
        1 => {
            let other = random.pick(others);
            let event = random.pick(&other.events);
            if let (types::QUERY, Some(start)) = (event.header.event_type, statement_start(&event.body)) {
                let place = random.below(text.len() + 1);
                text.truncate(place);
                let from = start + random.below(event.body.len() - start);
                text.extend_from_slice(&event.body[from..]);
            }
        }
        2 => text.truncate(random.below(text.len() + 1)),
        3 => {
            // One word for another.
            let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
            let (from, to) = (random.below(words.len()), random.below(words.len()));
            let mut words = words;
            words[to] = words[from];
            text = words.join(&b' ');
        }
        _ => damage(random, &mut text),
    }
    event.body.extend_from_slice(&text);
}

fn statement_start(body: &[u8]) -> Option<usize> {
    let (database, variables) = (*body.get(8)?, u16::from_le_bytes([*body.get(11)?, *body.get(12)?]));
    let start = 13 + usize::from(variables) + usize::from(database) + 1;
    (start < body.len()).then_some(start)
}

/// The places of lengths, counts, ids, flags and bitmaps.
fn structure(event: &RawEvent) -> Vec<Range<usize>> {
    let fixed: &[Range<usize>] = match event.header.event_type {
        types::TABLE_MAP => &[0..6, 6..8, 8..9],
        types::QUERY | types::MARIADB_QUERY_COMPRESSED => &[8..9, 9..11, 11..13, 13..20, 20..60],
        types::GTID | types::ANONYMOUS_GTID => &[0..1, 1..17, 17..25, 25..42, 42..60],
        types::MARIADB_GTID => &[0..8, 8..12, 12..13, 13..20],
        types::GTID_TAGGED => &[0..2, 2..4, 4..40, 40..80],
        types::PREVIOUS_GTIDS => &[0..8, 8..24, 24..32, 32..48],
        types::MARIADB_GTID_LIST => &[0..4, 4..20],
        types::TRANSACTION_PAYLOAD => &[0..3, 3..6, 6..12, 12..30],
        types::FORMAT_DESCRIPTION => &[0..2, 2..52, 52..56, 56..57, 57..100],
        types::ROTATE => &[0..8, 8..20],
        _ => &[],
    };
    let mut places = fixed.to_vec();
    if let Some(parts) = RowsParts::of(event) {
        places.extend([0..6, 6..8, 8..10, parts.width.clone(), parts.width.end..parts.rows.start]);
        let rows = parts.rows;
        // The bits of NULL values of the first row, its first values, and all.
        places.extend([rows.start..rows.start + 2, rows.start..rows.start + 20, rows.clone(), rows]);
    } else if let Some(start) = compressed::start_of_compressed(event.header.event_type, &event.body) {
        places.extend([0..6, 6..8, 8..start, start..start + 6, start..event.body.len()]);
    }
    places.retain_mut(|place| {
        place.end = place.end.min(event.body.len());
        place.start < place.end
    });
    places
}

/// Changes some bytes anywhere.
pub(crate) fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let range = 0..bytes.len();
    damage_range(random, bytes, range);
}

/// Changes some bytes of a range.
fn damage_range(random: &mut Random, bytes: &mut Vec<u8>, range: Range<usize>) {
    let place = range.start + random.below(range.len());
    let left = bytes.len() - place.min(bytes.len());
    match random.below(8) {
        0 if left > 0 => bytes[place] ^= 1 << random.below(8),
        1 | 2 if left > 0 => bytes[place] = random.byte(),
        3 => {
            // A number of one of the usual widths.
            let width = *random.pick(&[1, 2, 3, 4, 6, 8]);
            let number = random.integer().to_le_bytes();
            let end = (place + width).min(bytes.len());
            bytes[place..end].copy_from_slice(&number[..end - place]);
        }
        4 => {
            let most = if random.one_in(50) { 2000 } else { 12 };
            let count = 1 + random.below(most);
            let inserted = random.bytes(count);
            bytes.splice(place..place, inserted);
        }
        5 if left > 0 => {
            let count = 1 + random.below(range.len().min(left));
            bytes.drain(place..place + count.min(left));
        }
        6 if left > 0 => {
            let end = place + 1 + random.below(range.end.min(bytes.len()) - place);
            let repeated = bytes[place..end].repeat(1 + random.below(4));
            bytes.splice(place..place, repeated);
        }
        _ => {
            let mut number = Vec::new();
            write_lenenc(random.integer(), &mut number);
            let end = (place + 1).min(bytes.len());
            bytes.splice(place..end, number);
        }
    }
}
