//! SQL literals of the shop: article numbers, prices, moments.

/// An article number.
pub(crate) fn sku(number: u64) -> String {
    format!("SW-{:05}", number * 7)
}

/// Cents as a decimal.
pub(crate) fn decimal(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Seconds since 1970 as a DATETIME literal without quotes.
pub(crate) fn moment(seconds: u64) -> String {
    let (mut day, mut year, second) = (seconds / 86_400, 1970, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!(
        "{year}-{month:02}-{:02} {:02}:{:02}:{:02}",
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
