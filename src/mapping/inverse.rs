//! The rules of the way back: what makes the destination's tables those of the source again.

use std::collections::{BTreeMap, BTreeSet};

use slackwater_decoders::schema::TableName;

use super::rules::Rules;
use crate::config::{
    Objects, Pattern,
    mapping::{Case, Columns, MappingRule, Operation, Rename},
};

/// The `[objects]` and `[[mapping]]` of the way back, in the names of the former destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inverse {
    /// Patterns of what is carried back; none for everything.
    pub include: Vec<String>,
    /// Patterns of what is not.
    pub exclude: Vec<String>,
    /// Whether statements that change the schema are carried.
    pub with_ddl: bool,
    /// The rules: those about tables before those about databases.
    pub rules: Vec<InverseRule>,
}

/// A rule of the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InverseRule {
    /// Which tables of the former destination.
    pub tables: String,
    /// The database they are of at the former source.
    pub database: String,
    /// The name of the table there; `None` for a rule about a database.
    pub table: Option<String>,
    /// The names of columns there, by their names at the former destination.
    pub columns: BTreeMap<String, String>,
}

impl Inverse {
    /// Turns the rules of a task around.
    ///
    /// # Errors
    /// All reasons why they cannot be: what the destination does not have cannot be carried back, and a name that several could have
    /// become is not told by itself.
    pub fn of(objects: &Objects, rules: &[MappingRule]) -> Result<Self, Vec<String>> {
        let mut reasons = refusals(objects, rules);
        let renames: Vec<&MappingRule> = rules.iter().filter(|rule| renames(rule)).collect();
        let forward = Rules::new(rules, objects.operations.as_deref());
        let names = Renamed::of(&forward, &renames, objects);
        reasons.extend(names.collisions(objects));
        let patterns = |patterns: &[Pattern]| -> Vec<String> {
            patterns.iter().flat_map(|pattern| names.patterns(pattern)).collect()
        };
        let (mut include, exclude) = (patterns(&objects.include), patterns(&objects.exclude));
        if !renames.is_empty() && objects.include.iter().chain(&objects.exclude).any(Pattern::is_regex) {
            reasons.push(
                "[objects] has regular expressions beside rules that rename: give names or globs instead"
                    .to_owned(),
            );
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        if !include.is_empty() {
            include.extend(names.included_tables(objects));
        }
        let all = |operations: &[Operation]| operations.contains(&Operation::Ddl);
        let with_ddl = objects.operations.as_deref().is_none_or(all)
            && rules.iter().filter_map(|rule| rule.operations.as_deref()).all(all);
        Ok(Inverse {
            include: unique(include),
            exclude: unique(exclude),
            with_ddl,
            rules: names.rules(&forward),
        })
    }
}

/// Whether a rule changes names.
fn renames(rule: &MappingRule) -> bool {
    rule.database.is_some()
        || rule.table.is_some()
        || rule.case.is_some_and(|case| case != Case::Keep)
        || rule.columns.as_ref().is_some_and(|columns| !columns.rename.is_empty())
}

/// What no way back can undo.
fn refusals(objects: &Objects, rules: &[MappingRule]) -> Vec<String> {
    let mut reasons = Vec::new();
    let rows = [Operation::Insert, Operation::Update, Operation::Delete, Operation::Truncate];
    let loses = |operations: &[Operation]| rows.iter().any(|operation| !operations.contains(operation));
    if objects.operations.as_deref().is_some_and(loses) {
        reasons.push(
            "objects.operations leaves out changes of rows: the destination's rows are not the source's"
                .to_owned(),
        );
    }
    for (number, rule) in rules.iter().enumerate() {
        let mut refuse = |why: &str| reasons.push(format!("{} {why}", Rules::shown(number, rule)));
        if rule.filter.is_some() {
            refuse("has a filter: rows that it leaves out are not known at the destination");
        }
        if rule.merge == Some(true) {
            refuse("makes one table of several: which of them a row is for is not known at the destination");
        }
        if rule.add.is_some() {
            refuse("adds columns, which the source does not have");
        }
        if rule.operations.as_deref().is_some_and(loses) {
            refuse("leaves out changes of rows: the destination's rows are not the source's");
        }
        if rule.columns.as_ref().is_some_and(leaves_out) {
            refuse("leaves out columns: their values are not known at the destination");
        }
        if let Some(why) = renames_inexactly(rule) {
            refuse(why);
        }
    }
    reasons
}

fn leaves_out(columns: &Columns) -> bool {
    !columns.include.is_empty() || !columns.exclude.is_empty()
}

/// Why it is not known what the names that a rule makes were before.
fn renames_inexactly(rule: &MappingRule) -> Option<&'static str> {
    if !renames(rule) || names_table(&rule.tables) {
        return None;
    }
    if !names_database(&rule.tables) {
        return Some("renames what its pattern does not name: give each database or table a rule of its own");
    }
    let of_tables = matches!(&rule.database, Some(Rename::Template(template)) if !template.is_of_database());
    let only_database =
        rule.table.is_none() && rule.columns.is_none() && rule.case.is_none_or(|case| case == Case::Keep);
    (of_tables || !only_database)
        .then_some("renames tables or columns of a whole database: give each table a rule of its own")
}

fn names_database(pattern: &Pattern) -> bool {
    !pattern.is_regex() && Pattern::is_name(pattern.database()) && pattern.is_of_databases()
}

fn names_table(pattern: &Pattern) -> bool {
    !pattern.is_regex() && Pattern::is_name(pattern.database()) && Pattern::is_name(pattern.table())
}

/// What is renamed by name: the former name with the new one.
struct Renamed {
    databases: BTreeMap<String, String>,
    tables: Vec<(TableName, TableName)>,
}

impl Renamed {
    fn of(forward: &Rules, renames: &[&MappingRule], objects: &Objects) -> Self {
        let mut renamed = Renamed { databases: BTreeMap::new(), tables: Vec::new() };
        let included = |pattern: &&Pattern| names_table(pattern);
        let of_rules = renames.iter().map(|rule| &rule.tables);
        for pattern in of_rules.chain(objects.include.iter().filter(included)) {
            let (database, table) = (pattern.database(), pattern.table());
            if names_table(pattern) {
                let source = TableName::new(database, table);
                let target = forward.target(&source);
                if !renamed.tables.iter().any(|(known, _)| *known == source) {
                    renamed.tables.push((source, target));
                }
            } else if names_database(pattern) {
                let target = forward.target(&TableName::new(database, "")).database.to_string();
                renamed.databases.insert(database.to_owned(), target);
            }
        }
        renamed
    }

    fn database(&self, name: &str) -> String {
        self.databases.get(name).map_or(name, String::as_str).to_owned()
    }

    /// Names of the destination that two of the source have become.
    fn collisions(&self, objects: &Objects) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut taken = BTreeMap::new();
        let unnamed = objects.include.iter().filter(|pattern| names_database(pattern));
        let kept = unnamed.map(|pattern| pattern.database().to_owned());
        let kept = kept.filter(|name| !self.databases.contains_key(name)).map(|name| (name.clone(), name));
        for (source, target) in self.databases.clone().into_iter().chain(kept) {
            if let Some(other) = taken.insert(target.clone(), source.clone()).filter(|other| *other != source)
            {
                reasons.push(format!("the databases {other} and {source} both become {target}"));
            }
        }
        let mut taken: BTreeMap<String, &TableName> = BTreeMap::new();
        for (source, target) in &self.tables {
            if let Some(other) = taken.insert(target.to_string(), source) {
                reasons.push(format!("the tables {other} and {source} both become {target}"));
            }
        }
        reasons
    }

    /// The patterns for the destination's names of what a pattern matches at the source.
    fn patterns(&self, pattern: &Pattern) -> Vec<String> {
        if names_table(pattern) {
            let table = TableName::new(pattern.database(), pattern.table());
            let target =
                self.tables.iter().find(|(source, _)| *source == table).map(|(_, target)| target.clone());
            let target = target.unwrap_or_else(|| {
                TableName::new(self.database(pattern.database()).as_str(), pattern.table())
            });
            return vec![target.to_string()];
        }
        let (database, table) = (pattern.database(), pattern.table());
        if Pattern::is_name(database) {
            return vec![format!("{}.{table}", self.database(database))];
        }
        let renamed = self.databases.iter().filter(|(source, _)| pattern.matches_database(source));
        let renamed = renamed.map(|(_, target)| format!("{target}.{table}"));
        std::iter::once(pattern.to_string()).chain(renamed).collect()
    }

    /// The tables with rules of their own that are carried.
    fn included_tables(&self, objects: &Objects) -> Vec<String> {
        let selection = super::Selection::new(objects);
        let carried = self.tables.iter().filter(|(source, _)| selection.includes(source));
        carried.map(|(_, target)| target.to_string()).collect()
    }

    fn rules(&self, forward: &Rules) -> Vec<InverseRule> {
        let of_tables = self.tables.iter().filter_map(|(source, target)| {
            let renamed = forward.decide(source).columns.map(|columns| &columns.rename);
            let columns: BTreeMap<String, String> =
                renamed.into_iter().flatten().map(|(old, new)| (new.clone(), old.clone())).collect();
            let by_database =
                self.database(&source.database) == *target.database && source.table == target.table;
            (!by_database || !columns.is_empty()).then(|| InverseRule {
                tables: target.to_string(),
                database: source.database.to_string(),
                table: Some(source.table.to_string()),
                columns,
            })
        });
        let of_databases =
            self.databases.iter().filter(|(source, target)| source != target).map(|(source, target)| {
                InverseRule {
                    tables: format!("{target}.*"),
                    database: source.clone(),
                    table: None,
                    columns: BTreeMap::new(),
                }
            });
        of_tables.chain(of_databases).collect()
    }
}

/// Without what comes a second time, in the same order.
fn unique(patterns: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    patterns.into_iter().filter(|pattern| seen.insert(pattern.clone())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::mapping::Mapping;

    #[derive(Deserialize)]
    struct Sections {
        #[serde(default)]
        objects: Objects,
        #[serde(default)]
        mapping: Vec<MappingRule>,
    }

    fn inverse(text: &str) -> Result<Inverse, Vec<String>> {
        let sections: Sections = toml::from_str(text).unwrap();
        Inverse::of(&sections.objects, &sections.mapping)
    }

    #[test]
    fn names_come_back_to_what_they_were() {
        let text = "[objects]\ninclude = ['shop.*', 'crm.address', 'log_?.*']\nexclude = ['shop.tmp_*', 'log_?.old']\n\
                    [[mapping]]\nmatch = 'shop.orders'\ntable = 'purchases'\ncolumns = { rename = { ref = 'reference' } }\n\
                    [[mapping]]\nmatch = 'shop.customers'\ndatabase = 'people'\n\
                    [[mapping]]\nmatch = 'shop.*'\ndatabase = { prefix = 'new_' }\n\
                    [[mapping]]\nmatch = 'log_1.*'\ndatabase = 'journal'\n";
        let inverse = inverse(text).unwrap();
        assert_eq!(
            inverse.include,
            ["new_shop.*", "crm.address", "log_?.*", "journal.*", "new_shop.purchases", "people.customers"]
        );
        assert_eq!(inverse.exclude, ["new_shop.tmp_*", "log_?.old", "journal.old"]);
        let sections: Sections = toml::from_str(text).unwrap();
        let forward = Mapping::new(&sections.objects, &sections.mapping).unwrap();
        let back: Vec<MappingRule> = inverse
            .rules
            .iter()
            .map(|rule| {
                let table =
                    rule.table.as_ref().map(|table| format!("table = '{table}'\n")).unwrap_or_default();
                toml::from_str(&format!("match = '{}'\ndatabase = '{}'\n{table}", rule.tables, rule.database))
                    .unwrap()
            })
            .collect();
        let back = Mapping::new(&Objects::default(), &back).unwrap();
        for (database, table) in [
            ("shop", "orders"),
            ("shop", "customers"),
            ("shop", "other"),
            ("log_1", "a"),
            ("log_2", "a"),
            ("crm", "address"),
        ] {
            let source = TableName::new(database, table);
            assert_eq!(back.target_name(&forward.target_name(&source)), source);
        }
        let orders = inverse.rules.iter().find(|rule| rule.tables == "new_shop.purchases").unwrap();
        assert_eq!(orders.columns, BTreeMap::from([("reference".to_owned(), "ref".to_owned())]));
    }

    #[test]
    fn what_is_lost_on_the_way_has_no_way_back() {
        for (text, word) in [
            ("[[mapping]]\nmatch = 'a.b'\nfilter = 'x = 1'", "filter"),
            ("[[mapping]]\nmatch = 'a_*.*'\ndatabase = 'a'\nmerge = true", "several"),
            ("[[mapping]]\nmatch = 'a.b'\ncolumns = { exclude = ['c'] }", "leaves out columns"),
            ("[[mapping]]\nmatch = 'a.b'\nadd = { c = 'x' }", "adds columns"),
            ("[[mapping]]\nmatch = 'a.*'\ntable = { prefix = 'x_' }", "each table a rule"),
            ("[[mapping]]\nmatch = 'a_*.*'\ndatabase = { strip_prefix = 'a_' }", "each database"),
            (
                "[[mapping]]\nmatch = 'a.*'\ndatabase = 'c'\n[[mapping]]\nmatch = 'b.*'\ndatabase = 'c'",
                "both become c",
            ),
            ("[objects]\noperations = ['insert', 'update', 'truncate']", "operations"),
        ] {
            let reasons = inverse(text).unwrap_err().join("\n");
            assert!(reasons.contains(word), "{text}: {reasons}");
        }
    }

    #[test]
    fn without_ddl_there_is_none_on_the_way_back() {
        let inverse = inverse("[objects]\noperations = ['insert', 'update', 'delete', 'truncate']").unwrap();
        assert!(!inverse.with_ddl && inverse.rules.is_empty() && inverse.include.is_empty());
    }
}
