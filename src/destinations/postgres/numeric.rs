//! The binary form of `numeric` (`numeric_recv` in `src/backend/utils/adt/numeric.c`): number of digits to the base 10,000, the place
//! of the first one, a sign, the scale, and the digits, each in two bytes.

/// The digits of a base-10,000 digit.
const WIDTH: usize = 4;

/// Appends a number given as decimal text. `false`, and nothing of use appended: the text is no such number.
pub(super) fn push(out: &mut Vec<u8>, text: &str) -> bool {
    let special = match text {
        "NaN" => Some(0xC000_u16),
        "Infinity" => Some(0xD000),
        "-Infinity" => Some(0xF000),
        _ => None,
    };
    if let Some(sign) = special {
        push_head(out, [0, 0, sign, 0]);
        return true;
    }
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (0x4000_u16, unsigned),
        None => (0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let (Ok(scale), true) = (u16::try_from(fraction.len()), is_number(whole) && is_number(fraction)) else {
        return false;
    };
    if whole.is_empty() && fraction.is_empty() || whole.len() > 131_072 || scale > 0x3FFF {
        return false;
    }
    let whole = whole.trim_start_matches('0');
    let start = out.len();
    push_head(out, [0, 0, sign, scale]);
    // Whole digits are counted from the point to the left, the others to the right.
    let first = whole.len() % WIDTH;
    let (head, tail) = whole.split_at_checked(first).unwrap_or((whole, ""));
    let mut weight = whole.len().div_ceil(WIDTH) as i32 - 1;
    let mut count = 0_u16;
    let groups = [head.as_bytes()].into_iter().filter(|head| !head.is_empty());
    let groups = groups.chain(tail.as_bytes().chunks(WIDTH)).map(|group| value(group, group.len()));
    let fractions = fraction.as_bytes().chunks(WIDTH).map(|group| value(group, WIDTH));
    let mut end = out.len();
    for digit in groups.chain(fractions) {
        if count == 0 && digit == 0 {
            weight -= 1;
            continue;
        }
        out.extend_from_slice(&digit.to_be_bytes());
        count += 1;
        if digit != 0 {
            end = out.len();
        }
    }
    // Zeros at the end are not kept.
    out.truncate(end);
    let count = ((end - start - 8) / 2) as u16;
    let (weight, sign) = if count == 0 { (0, 0) } else { (weight as i16, sign) };
    let mut head = Vec::with_capacity(8);
    push_head(&mut head, [count, weight.cast_unsigned(), sign, scale]);
    if let Some(place) = out.get_mut(start..start + 8) {
        place.copy_from_slice(&head);
    }
    true
}

fn push_head(out: &mut Vec<u8>, head: [u16; 4]) {
    head.iter().for_each(|part| out.extend_from_slice(&part.to_be_bytes()));
}

/// The number that these digits are, filled up to `width` of them with zeros.
fn value(digits: &[u8], width: usize) -> u16 {
    let number = digits.iter().fold(0, |number: u16, digit| number * 10 + u16::from(digit - b'0'));
    number * 10_u16.pow(width.saturating_sub(digits.len()) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `numeric_send` of PostgreSQL 15 and 18 gives: `SELECT encode(numeric_send('…'::numeric), 'hex')`.
    #[test]
    fn numbers_are_written_as_the_server_sends_them() {
        for (text, hex) in [
            ("0", "0000000000000000"),
            ("0.00", "0000000000000002"),
            ("1", "00010000000000000001"),
            ("-12.3400", "0002000040000004000c0d48"),
            ("10000", "00010001000000000001"),
            ("123456789.987654321", "0006000200000009000109291a852694153803e8"),
            ("0.00012", "0002ffff00000005000107d0"),
            ("100000000.00", "00010002000000020001"),
            ("-0.5", "0001ffff400000011388"),
            ("NaN", "00000000c0000000"),
        ] {
            let mut out = Vec::new();
            assert!(push(&mut out, text));
            let written: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(written, hex, "{text}");
        }
        for text in ["", "-", ".", "1e5", "1.2.3", "infinity", "１"] {
            assert!(!push(&mut Vec::new(), text), "{text}");
        }
    }
}
