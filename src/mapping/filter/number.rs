//! Exact numbers.

use std::cmp::Ordering;

/// Digits that a number may have, over all.
pub(super) const DIGITS: u32 = 38;
/// Digits behind the point that MySQL keeps in a product (`DECIMAL_MAX_SCALE`); MariaDB keeps 38.
pub(super) const SCALE: u32 = 30;

/// An integer or a decimal: `mantissa` / 10^`scale`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    mantissa: i128,
    scale: u32,
}

impl Exact {
    pub(super) const fn integer(value: i128) -> Self {
        Exact { mantissa: value, scale: 0 }
    }

    /// Reads `-12.340`; `None` for what is no decimal number, or has more digits than [`DIGITS`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut mantissa: i128 = 0;
        for digit in whole.chars().chain(fraction.chars()) {
            mantissa = mantissa.checked_mul(10)?.checked_add(i128::from(digit.to_digit(10)?))?;
        }
        let scale = u32::try_from(fraction.len()).ok()?;
        (!digits.is_empty()).then_some(Exact { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }

    pub(super) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(super) fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// Digits before and behind the point.
    pub(super) fn digits(self) -> (u32, u32) {
        let all = self.mantissa.unsigned_abs().checked_ilog10().map_or(1, |digits| digits + 1);
        (all.saturating_sub(self.scale).max(1), self.scale)
    }

    /// The value, where it is whole.
    pub(super) fn to_integer(self) -> Option<i128> {
        (self.scale == 0).then_some(self.mantissa)
    }

    /// The nearest floating point number, as the server finds it from the number's digits.
    pub(super) fn to_double(self) -> f64 {
        if self.scale == 0 {
            return self.mantissa as f64;
        }
        format!("{}e-{}", self.mantissa, self.scale).parse().unwrap_or(f64::NAN)
    }

    pub(super) fn negated(self) -> Self {
        Exact { mantissa: -self.mantissa, scale: self.scale }
    }

    pub(super) fn absolute(self) -> Self {
        Exact { mantissa: self.mantissa.abs(), scale: self.scale }
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (left, right, scale) = aligned(self, other)?;
        Some(Exact { mantissa: left.checked_add(right)?, scale })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Some(Exact { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale: self.scale + other.scale })
    }

    /// The whole part of the quotient, towards zero. The divisor is not 0.
    pub(super) fn quotient(self, divisor: Self) -> Option<Self> {
        let (left, right, _) = aligned(self, divisor)?;
        left.checked_div(right).map(Exact::integer)
    }

    /// What is left of the division, with the sign of the dividend. The divisor is not 0.
    pub(super) fn remainder(self, divisor: Self) -> Option<Self> {
        let (left, right, scale) = aligned(self, divisor)?;
        Some(Exact { mantissa: left.checked_rem(right)?, scale })
    }

    /// `None` for numbers whose digits do not fit side by side, which the compiler does not let through.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        aligned(self, other).map(|(left, right, _)| left.cmp(&right))
    }
}

/// Both mantissas at the larger scale.
fn aligned(left: Exact, right: Exact) -> Option<(i128, i128, u32)> {
    let scale = left.scale.max(right.scale);
    let lift = |number: Exact| number.mantissa.checked_mul(10_i128.checked_pow(scale - number.scale)?);
    Some((lift(left)?, lift(right)?, scale))
}
