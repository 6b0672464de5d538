//! The life of the shop, as transactions.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use anyhow::Context;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use slackwater_testkit::mysql::Conn;
use slackwater_testkit::{query_rows, run_statements};

use crate::literals::{decimal, moment, sku};

const SEED: u64 = 97;
/// 2025-01-01 00:00:00 UTC; the first order is placed a little later.
const OPENING: u64 = 1_735_689_600;
const SECONDS_BETWEEN_ORDERS: u64 = 300;

const CUSTOMERS: u64 = 12_000;
const PRODUCTS: u64 = 2_000;

const SCHEMA: &str = include_str!("schema.sql");

const NAMES: &[&str] = &["Ada", "Łukasz", "Søren", "Zoë", "Ινώ", "Мария", "さくら", "李雷", "नीला", "José"];
const SURNAMES: &[&str] =
    &["Müller", "Nguyễn", "O''Hara", "Αλεξίου", "Иванова", "田中", "王", "Øst", "de Vries", "Flood"];
const CITIES: &[&str] = &["Brest", "Tromsø", "Πειραιάς", "Владивосток", "神戸", "Plymouth"];
const CATEGORIES: &[&str] = &["boats", "sails", "ropes", "charts", "lamps"];
const NOTES: &[&str] =
    &["NULL", "NULL", "NULL", "'leave at the pier'", "'Geschenk 🎁'", "'急ぎ'", "'ring twice'"];

/// When an order is placed, in seconds since 1970.
fn time_of(order: u64) -> u64 {
    OPENING + order * SECONDS_BETWEEN_ORDERS
}

/// A connection to the shop's database, and what decides about the next change.
pub(crate) struct Shop {
    conn: Conn,
    rng: ChaCha8Rng,
}

impl Shop {
    pub(crate) fn open(conn: Conn) -> Self {
        Self { conn, rng: ChaCha8Rng::seed_from_u64(SEED) }
    }

    pub(crate) fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        run_statements(&mut self.conn, sql)
    }

    /// One transaction at a given time in the shop's life; the time goes into the events.
    fn transaction(&mut self, time: u64, statements: &str) -> anyhow::Result<()> {
        self.run(&format!("SET timestamp = {time}; BEGIN; {statements}; COMMIT"))
    }

    fn pick<'a>(&mut self, from: &'a [&'a str]) -> &'a str {
        from.get(self.rng.random_range(0..from.len())).copied().unwrap_or_default()
    }

    /// Tables, products and customers, 500 rows to a statement.
    pub(crate) fn fill(&mut self) -> anyhow::Result<()> {
        self.run(&format!("SET timestamp = {OPENING}"))?;
        self.run(SCHEMA)?;
        let products: Vec<String> = (0..PRODUCTS).map(|number| self.product(number)).collect();
        for chunk in products.chunks(500) {
            self.transaction(OPENING, &format!("INSERT INTO shop.products VALUES {}", chunk.join(",")))?;
        }
        let customers: Vec<String> = (1..=CUSTOMERS).map(|id| self.customer(id)).collect();
        for chunk in customers.chunks(500) {
            self.transaction(OPENING, &format!("INSERT INTO shop.customers VALUES {}", chunk.join(",")))?;
        }
        Ok(())
    }

    fn product(&mut self, number: u64) -> String {
        let category = self.pick(CATEGORIES);
        let (price, weight) = (self.rng.random_range(199..99_999), self.rng.random_range(1..5_000));
        let description = match self.rng.random_range(0..4) {
            0 => "NULL".to_owned(),
            _ => format!("'For {category} at slack water ⚓, {weight} g. {}'", self.pick(CITIES)),
        };
        format!(
            "('{}','{category} No {number}','{category}',{},'{{\"weight\": {weight}, \"colours\": [\"{}\"], \"spare\": {}}}',{description})",
            sku(number),
            decimal(price),
            self.pick(&["red", "grün", "藍"]),
            self.rng.random::<bool>(),
        )
    }

    fn customer(&mut self, id: u64) -> String {
        let (name, surname, city) = (self.pick(NAMES), self.pick(SURNAMES), self.pick(CITIES));
        let (house, second) = (self.rng.random_range(1..200), self.rng.random_range(0..86_400));
        let joined = moment(OPENING - 86_400 * 365 + id * 2_000 + second);
        let token = self.rng.random::<u32>();
        format!(
            "({id},'customer{id}@shop.example','{name} {surname}','{{\"city\": \"{city}\", \"house\": {house}}}',x'{token:016x}','{joined}.{:06}')",
            second * 11
        )
    }

    /// Places orders, so many to a transaction, and moves earlier ones on: paid, sent, returned, deleted.
    pub(crate) fn orders(&mut self, ids: RangeInclusive<u64>, per_transaction: usize) -> anyhow::Result<()> {
        let ids: Vec<u64> = ids.collect();
        for chunk in ids.chunks(per_transaction) {
            let (mut orders, mut items, mut movements) = (Vec::new(), Vec::new(), Vec::new());
            for &id in chunk {
                self.order(id, &mut orders, &mut items, &mut movements);
            }
            let time = time_of(*chunk.last().context("no order")?);
            self.transaction(
                time,
                &format!(
                    "INSERT INTO shop.orders (id, customer_id, total, placed, note) VALUES {};\
                     INSERT INTO shop.order_items VALUES {};\
                     INSERT INTO shop.stock_movements VALUES {}",
                    orders.join(","),
                    items.join(","),
                    movements.join(",")
                ),
            )?;
            for &id in chunk {
                self.move_on(id)?;
            }
        }
        Ok(())
    }

    fn order(
        &mut self,
        id: u64,
        orders: &mut Vec<String>,
        items: &mut Vec<String>,
        movements: &mut Vec<String>,
    ) {
        let placed = moment(time_of(id));
        let mut total = 0;
        for line in 1..=self.rng.random_range(1..=4_u64) {
            // A few products sell most.
            let number = if self.rng.random() {
                self.rng.random_range(0..50)
            } else {
                self.rng.random_range(0..PRODUCTS)
            };
            let (product, quantity, price) = (sku(number), self.rng.random_range(1..4), 495 + number * 10);
            total += quantity * price;
            items.push(format!("({id},{line},'{product}',{quantity},{})", decimal(price)));
            movements.push(format!("('{product}',-{quantity},'sale','{placed}')"));
        }
        let (customer, note) = (self.rng.random_range(1..=CUSTOMERS), self.pick(NOTES));
        let fraction = self.rng.random_range(0..1000) * 1000;
        orders.push(format!("({id},{customer},{},'{placed}.{fraction:06}',{note})", decimal(total)));
    }

    /// Every so many orders a batch of earlier ones changes.
    fn move_on(&mut self, id: u64) -> anyhow::Result<()> {
        let time = time_of(id) + 60;
        if id.is_multiple_of(40) {
            let set = |status: &str, from: u64, to: u64| {
                format!("UPDATE shop.orders SET status = '{status}' WHERE id > {from} AND id <= {to}")
            };
            self.transaction(time, &set("paid", id.saturating_sub(80), id.saturating_sub(40)))?;
            self.transaction(time, &set("sent", id.saturating_sub(440), id.saturating_sub(400)))?;
        }
        if id.is_multiple_of(50) && id > 1000 {
            let returned = id - self.rng.random_range(600..1000);
            self.transaction(
                time,
                &format!(
                    "UPDATE shop.orders SET status = 'returned' WHERE id = {returned};\
                     INSERT INTO shop.stock_movements SELECT sku, quantity, 'return', '{}' FROM shop.order_items \
                     WHERE order_id = {returned} ORDER BY line",
                    moment(time)
                ),
            )?;
        }
        if id.is_multiple_of(100) && id > 1000 {
            let cancelled = id - self.rng.random_range(10..30);
            self.transaction(
                time,
                &format!(
                    "DELETE FROM shop.order_items WHERE order_id = {cancelled};\
                     DELETE FROM shop.orders WHERE id = {cancelled}"
                ),
            )?;
        }
        if id.is_multiple_of(400) {
            let customer = self.rng.random_range(1..=CUSTOMERS);
            let city = self.pick(CITIES);
            self.transaction(
                time,
                &format!("UPDATE shop.customers SET address = JSON_SET(address, '$.city', '{city}') WHERE id = {customer}"),
            )?;
        }
        Ok(())
    }

    /// New prices come through a staging table, which is truncated afterwards.
    pub(crate) fn import_prices(&mut self, count: u64) -> anyhow::Result<()> {
        let start = self.rng.random_range(0..PRODUCTS - count);
        let rows: Vec<String> = (start..start + count)
            .map(|number| format!("('{}',{})", sku(number), decimal(self.rng.random_range(199..99_999))))
            .collect();
        self.run(&format!("INSERT INTO shop.price_import VALUES {}", rows.join(",")))?;
        self.run("UPDATE shop.products p JOIN shop.price_import i ON i.sku = p.sku SET p.price = i.price")?;
        self.run("TRUNCATE TABLE shop.price_import")
    }

    /// The oldest rows of the table without a key go.
    pub(crate) fn archive_movements(&mut self) -> anyhow::Result<()> {
        for day in 1..=14 {
            let before = moment(OPENING + day * 86_400);
            self.run(&format!("DELETE FROM shop.stock_movements WHERE moved < '{before}'"))?;
        }
        Ok(())
    }

    /// Changes of keys: primary ones, and unique ones that two rows exchange.
    pub(crate) fn tidy_up(&mut self) -> anyhow::Result<()> {
        let last = time_of(46_001);
        for number in 0..20 {
            let (old, new) = (sku(number * 90), format!("OLD-{number:04}"));
            self.transaction(last, &format!(
                "UPDATE shop.products SET sku = '{new}' WHERE sku = '{old}';\
                 UPDATE shop.order_items SET sku = '{new}' WHERE sku = '{old}' ORDER BY order_id, line LIMIT 40"
            ))?;
        }
        for id in (100..1_100).step_by(50) {
            let email = |id: u64| format!("customer{id}@shop.example");
            let (one, two) = (email(id), email(id + 1));
            self.transaction(
                last,
                &format!(
                    "UPDATE shop.customers SET email = 'moving' WHERE id = {id};\
                 UPDATE shop.customers SET email = '{one}' WHERE id = {id} + 1;\
                 UPDATE shop.customers SET email = '{two}' WHERE id = {id}"
                ),
            )?;
        }
        self.transaction(
            last,
            "INSERT INTO shop.price_updates SELECT sku, price FROM shop.products ORDER BY sku LIMIT 25",
        )
    }

    /// For each table: rows at the end, and a sum over them that any database can compute.
    pub(crate) fn expected(&mut self) -> anyhow::Result<String> {
        let mut text = "table\trows\tsum_of\tsum\n".to_owned();
        for (table, column) in [
            ("customers", "id"),
            ("order_items", "quantity"),
            ("orders", "total"),
            ("price_updates", "price"),
            ("products", "price"),
            ("stock_movements", "quantity"),
        ] {
            let rows =
                query_rows(&mut self.conn, &format!("SELECT COUNT(*), SUM({column}) FROM shop.{table}"))?;
            let mut values = rows.into_iter().flatten().flatten().map(String::from_utf8);
            let (count, sum) = (values.next().context("no count")??, values.next().context("no sum")??);
            writeln!(text, "{table}\t{count}\t{column}\t{sum}")?;
        }
        Ok(text)
    }
}
