//! Floating point numbers as text: the shortest that reads back, from PostgreSQL 12 on (`src/common/{d2s,f2s}.c`).

use std::str::FromStr;

use super::buffer::{Buffer, print_to};

/// Prints a double precision number.
pub(super) fn print_double(number: f64, out: &mut Buffer) {
    if special(number, out) {
        return;
    }
    let shortest = scientific(ryu::Buffer::new().format_finite(number));
    print(number, &shortest, 15, |digits| format!("{number:.digits$e}"), out);
}

/// Prints a single precision number.
pub(super) fn print_float(number: f32, out: &mut Buffer) {
    if special(f64::from(number), out) {
        return;
    }
    let shortest = scientific(ryu::Buffer::new().format_finite(number));
    print(number, &shortest, 6, |digits| format!("{number:.digits$e}"), out);
}

fn special(number: f64, out: &mut Buffer) -> bool {
    out.push(match number {
        _ if number.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        0.0 if number.is_sign_negative() => "-0",
        0.0 => "0",
        _ => return false,
    });
    true
}

/// A number other than zero with one digit before the point: `12.5` and `1.25e1` as `1.25e1`.
fn scientific(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let zeros = digits.len() - significant.len();
    let exponent = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - 1 - zeros as i32;
    let (first, rest) = significant.split_at_checked(1).unwrap_or((significant, ""));
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e{exponent}")
}

/// Prints a number from its shortest digits (`1.25e-7`). `fixed` is the first exponent that is printed as such.
fn print<F: FromStr + PartialEq + Copy>(
    number: F,
    shortest: &str,
    fixed: i32,
    rounded: impl Fn(usize) -> String,
    out: &mut Buffer,
) {
    // The server prints no number that lies in the middle between two others, so that readers that round such ones in the
    // other direction read the right one.
    let text = if is_middle(number, shortest) {
        let mut longer = (0..17).map(rounded).filter(|text| text.parse().ok() == Some(number));
        longer.find(|text| !is_middle(number, text)).unwrap_or_else(|| shortest.to_owned())
    } else {
        shortest.to_owned()
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let rest = rest.trim_end_matches('0');
    out.push(sign);
    if !(-4..fixed).contains(&exponent) {
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        print_to!(out, "{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let places = exponent.unsigned_abs() as usize;
    if exponent < 0 {
        print_to!(out, "0.{:0<1$}{first}{rest}", "", places - 1);
    } else if places >= rest.len() {
        print_to!(out, "{first}{rest:0<places$}");
    } else if let Some((whole, fraction)) = rest.split_at_checked(places) {
        print_to!(out, "{first}{whole}.{fraction}");
    }
}

/// Whether a decimal number lies in the middle between a number and its neighbour: a little beside it on one side, it reads as the
/// neighbour.
fn is_middle<F: FromStr + PartialEq + Copy>(number: F, decimal: &str) -> bool {
    let Some((digits, exponent)) = decimal.split_once('e') else { return false };
    let point = if digits.contains('.') { "" } else { "." };
    let above = format!("{digits}{point}{:060}1e{exponent}", 0);
    if above.parse().ok() != Some(number) {
        return true;
    }
    let below = below(digits).map(|digits| format!("{digits}e{exponent}"));
    below.is_some_and(|below| below.parse().ok() != Some(number))
}

/// A number a little nearer to zero: the last digit is one less, and nines follow.
fn below(digits: &str) -> Option<String> {
    let nines = "9".repeat(60);
    let point = if digits.contains('.') { "" } else { "." };
    let significant = digits.trim_end_matches(['0', '.']);
    let zeros = digits.get(significant.len()..)?.replace('0', "9");
    let (head, last) = significant.split_at_checked(significant.len().checked_sub(1)?)?;
    let last = last.parse::<u8>().ok()?.checked_sub(1)?;
    Some(format!("{head}{last}{zeros}{point}{nines}"))
}
