//! Tables that a tool for online schema changes works with.
//!
//! Such a tool fills a table of the new definition beside the one it changes, under a name made from that one's, and at the end
//! gives the two their new names by one RENAME. A task that carries the table has to carry the one beside it as well: its
//! rows become the table's without being logged again.
//!
//! | tool | the new table | the old one afterwards |
//! | --- | --- | --- |
//! | gh-ost (its documentation, *Cheatsheet* and *Command line flags*) | `_t_gho` | `_t_del`; `_t_20260131235959_del` with `--timestamp-old-table` |
//! | pt-online-schema-change (its documentation, *--new-table-name* and *--[no]swap-tables*) | `_t_new`, more underscores in front while a name is taken | `_t_old`, likewise |
//!
//! gh-ost's third table, `_t_ghc`, is its own notebook and never becomes another one.

use slackwater_decoders::schema::TableName;

/// The tables that the table of this name may be the new or the old form of.
pub(super) fn altered_tables(table: &TableName) -> impl Iterator<Item = TableName> {
    let names: Vec<&str> = match table.table.rsplit_once('_') {
        Some((front, "gho")) => front.strip_prefix('_').into_iter().collect(),
        Some((front, "del")) => front.strip_prefix('_').into_iter().flat_map(with_time).collect(),
        Some((front, "new" | "old")) => {
            let underscores = front.bytes().take_while(|byte| *byte == b'_').count();
            (1..=underscores).filter_map(|place| front.get(place..)).collect()
        }
        _ => Vec::new(),
    };
    let database = &table.database;
    names.into_iter().filter(|name| !name.is_empty()).map(|name| TableName::new(database.clone(), name))
}

/// The name as it is, and without the time at its end, if it has one.
fn with_time(name: &str) -> impl Iterator<Item = &str> {
    let is_time = |time: &str| time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit());
    let without = name.rsplit_once('_').filter(|(_, time)| is_time(time)).map(|(front, _)| front);
    [Some(name), without].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_both_tools_lead_to_the_table() {
        let altered = |name: &str| -> Vec<String> {
            altered_tables(&TableName::new("shop", name)).map(|table| table.to_string()).collect()
        };
        assert_eq!(altered("_orders_gho"), ["shop.orders"]);
        assert_eq!(altered("_orders_del"), ["shop.orders"]);
        assert_eq!(altered("_orders_20260131235959_del"), ["shop.orders_20260131235959", "shop.orders"]);
        assert_eq!(altered("_orders_new"), ["shop.orders"]);
        assert_eq!(altered("___orders_old"), ["shop.__orders", "shop._orders", "shop.orders"]);
        for other in ["orders", "_orders", "orders_new", "orders_gho", "_orders_ghc", "_new", "__gho", ""] {
            assert!(altered(other).is_empty(), "{other}");
        }
    }
}
