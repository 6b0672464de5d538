#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use slackwater_decoders::{
    mysql::{
        catalog::{Catalog, Settings},
        ddl::{self, Context, table_details},
    },
    schema::{
        Table,
        definition::{Dialect, Schema, TableDefinition},
    },
};

use super::*;
use crate::{
    config::Objects,
    destinations::schema::{ColumnTypes, Stage},
    mapping::{Mapping, Selection},
};

/// As MySQL 8.0 and later show it.
const ORDERS: &str = "CREATE TABLE `orders` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `n` int NOT NULL,\n  \
     `twice` int GENERATED ALWAYS AS ((`n` * 2)) VIRTUAL,\n  `up` int DEFAULT NULL,\n  PRIMARY KEY (`n`),\n  \
     UNIQUE KEY `id` (`id`),\n  KEY `up` (`up`),\n  CONSTRAINT `f` FOREIGN KEY (`up`) REFERENCES `orders` (`n`),\n  \
     CONSTRAINT `c` CHECK ((`n` > 0))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci";

fn definition(statement: &str) -> TableDefinition {
    let context = Context { version: 90_000, ..Context::mysql() };
    let mut catalog = Catalog::new(Settings { version: 90_000, ..Settings::default() });
    catalog.apply(&ddl::parse(statement, &context).unwrap(), "shop", None).unwrap();
    let table = Arc::clone(catalog.iter().next().unwrap());
    TableDefinition { table, details: table_details(statement, "shop", &context).unwrap() }
}

/// The plan for one table that becomes `target`.
fn planned(definition: TableDefinition, target: &Table, existing: &Existing, server: &str) -> SchemaPlan {
    let schema = Schema {
        dialect: Dialect::Mysql(9, 0, 0),
        databases: Vec::new(),
        tables: vec![definition],
        objects: Vec::new(),
        notes: Vec::new(),
    };
    let mapping = Mapping::identity(Selection::new(&Objects::default()));
    let wanted = Wanted { schema: &schema, mapping: &mapping, types: &ColumnTypes::default() };
    let definition = schema.tables.first().unwrap();
    let ordinals: Vec<_> = (0..target.columns.len()).map(Some).collect();
    let names = crate::destinations::schema::ColumnNames::new(&definition.table, target, &ordinals);
    let carried = [Carried { definition, target: &target.name, table: target, names }];
    plan_for(&wanted, Server::parse(server), existing, &carried, SchemaPlan::default()).unwrap()
}

fn renamed(definition: &TableDefinition) -> Table {
    let mut target = (*definition.table).clone();
    target.name = TableName::new("store", "purchases");
    target.columns[1].name = "number".to_owned();
    target
}

#[test]
fn other_names_go_into_every_part_of_a_definition() {
    let definition = definition(ORDERS);
    let target = renamed(&definition);
    let plan = planned(definition, &target, &Existing::default(), "9.7.1");
    let table = plan.statements.iter().find(|statement| statement.object.kind == Kind::Table).unwrap();
    assert_eq!(
        table.sql,
        "CREATE TABLE `store`.`purchases` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `number` int NOT NULL,\n  \
         `twice` int GENERATED ALWAYS AS ((`number` * 2)) VIRTUAL,\n  `up` int DEFAULT NULL,\n  PRIMARY KEY (`number`),\n  \
         KEY `id` (`id`),\n  CONSTRAINT `c` CHECK ((`number` > 0))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 \
         COLLATE=utf8mb4_0900_ai_ci"
    );
    assert_eq!(
        (table.object.source.as_str(), table.object.target.as_str()),
        ("shop.orders", "store.purchases")
    );
    let later: Vec<_> =
        plan.combined(Stage::AfterLoad).into_iter().map(|(statement, _)| statement.sql).collect();
    assert_eq!(
        later,
        [
            "ALTER TABLE `store`.`purchases`\n  DROP KEY `id`, ADD UNIQUE KEY `id` (`id`),\n  ADD KEY `up` (`up`),\n  \
          ADD CONSTRAINT `f` FOREIGN KEY (`up`) REFERENCES `store`.`purchases` (`number`)"
        ]
    );
}

#[test]
fn columns_that_are_not_carried_take_what_names_them_with_them() {
    let definition = definition(ORDERS);
    let mut target = (*definition.table).clone();
    target.columns.retain(|column| column.name != "up");
    target.unique_keys.clear();
    let plan = planned(definition, &target, &Existing::default(), "10.11.6-MariaDB");
    let all: String = plan.statements.iter().map(|statement| statement.sql.as_str()).collect();
    assert!(!all.contains("`up`") && all.contains("`twice`"), "{all}");
    let notes: Vec<_> = plan.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes.contains(&"index up is left out: column up is not carried"), "{notes:?}");
    assert!(notes.contains(&"is left out: a column of it is not carried"), "{notes:?}");
}

#[test]
fn what_is_there_is_kept_or_in_the_way() {
    let wanted = definition(ORDERS);
    let target = (*wanted.table).clone();
    let name = target.name.clone();
    let there = Existing::default().with_table(name.clone(), wanted.details.clone());
    let plan = planned(wanted.clone(), &target, &there, "9.7.1");
    assert_eq!((plan.statements.len(), plan.conflicts.len()), (0, 0), "{plan:#?}");

    // A column that the log has yet to rename: its key waits.
    let mut before = wanted.details.clone();
    before.columns[3].name = "above".to_owned();
    before.keys.retain(|key| key.name != "up");
    before.foreign_keys.clear();
    let there = Existing::default().with_table(name, before);
    let plan = planned(wanted, &target, &there, "9.7.1");
    assert_eq!(plan.statements, []);
    assert!(plan.conflicts[0].what.contains("no column up"), "{:?}", plan.conflicts);
}
