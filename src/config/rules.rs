//! What a task file says of tables, in a form that is kept and compared.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The values of `[objects]` and `[[mapping]]`: without comments and layout, without the order of keys and of patterns, which mean
/// nothing. The order of the rules of `[[mapping]]` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRules {
    objects: Map<String, Value>,
    mapping: Vec<Map<String, Value>>,
}

impl TableRules {
    /// The rules of a task file, which was read as such before.
    pub(super) fn of(text: &str) -> Self {
        let mut sections: Map<String, Value> = toml::from_str(text).unwrap_or_default();
        let objects = match sections.remove("objects") {
            Some(Value::Object(objects)) => objects,
            _ => Map::new(),
        };
        let mapping = match sections.remove("mapping") {
            Some(Value::Array(rules)) => rules,
            _ => Vec::new(),
        };
        let rules = mapping.into_iter().filter_map(|rule| match rule {
            Value::Object(rule) => Some(rule),
            _ => None,
        });
        TableRules {
            objects: objects.into_iter().filter_map(without_order).collect(),
            mapping: rules.collect(),
        }
    }

    /// In what these rules are not those of `before`, a line each. Of a rule of `[[mapping]]` only its pattern is named: a filter
    /// may have values.
    #[must_use]
    pub fn differences(&self, before: &TableRules) -> Vec<String> {
        let mut differences = Vec::new();
        let keys: BTreeSet<&String> = self.objects.keys().chain(before.objects.keys()).collect();
        for key in keys {
            let list = |rules: &TableRules| match rules.objects.get(key) {
                Some(Value::Array(entries)) => entries.clone(),
                other => other.cloned().into_iter().collect(),
            };
            let (now, then) = (list(self), list(before));
            let (added, gone) = (missing(&now, &then), missing(&then, &now));
            differences.extend(added.map(|entry| format!("objects.{key} has {entry} in addition")));
            differences.extend(gone.map(|entry| format!("objects.{key} has {entry} no more")));
        }
        let pattern =
            |rule: &Map<String, Value>| rule.get("match").map(ToString::to_string).unwrap_or_default();
        let (added, gone) =
            (missing(&self.mapping, &before.mapping), missing(&before.mapping, &self.mapping));
        let rules = differences.len();
        differences.extend(
            added.map(|rule| format!("a rule of [[mapping]] is new or changed: match = {}", pattern(rule))),
        );
        differences.extend(
            gone.map(|rule| format!("a former rule of [[mapping]] is gone: match = {}", pattern(rule))),
        );
        if differences.len() == rules && self.mapping != before.mapping {
            differences.push("the rules of [[mapping]] are in another order".to_owned());
        }
        differences
    }
}

/// A key whose value is a list, as a sorted one; none for an empty list, which says what no list says.
fn without_order((key, value): (String, Value)) -> Option<(String, Value)> {
    match value {
        Value::Array(entries) if entries.is_empty() => None,
        Value::Array(mut entries) => {
            entries.sort_by_key(ToString::to_string);
            entries.dedup();
            Some((key, Value::Array(entries)))
        }
        other => Some((key, other)),
    }
}

/// Those of `entries` that are not among `others`.
fn missing<'a, T: PartialEq>(entries: &'a [T], others: &'a [T]) -> impl Iterator<Item = &'a T> {
    entries.iter().filter(|entry| !others.contains(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "start = \"now\"\n[objects]\ninclude = [\"shop.*\", \"crm.*\"]\n\
                        [[mapping]]\nmatch = \"shop.a\"\nfilter = \"card = '4111'\"\n[[mapping]]\nmatch = \"crm.*\"\ndatabase = \"x\"\n";

    #[test]
    fn what_differs_is_named_and_layout_is_no_difference() {
        let task = TableRules::of(TASK);
        let differences = |text: &str| TableRules::of(text).differences(&task);
        let other_layout = "[objects] # all\nexclude = []\ninclude = [\n\"crm.*\", 'shop.*']\n\
                            [[mapping]]\nfilter = \"card = '4111'\"\nmatch = \"shop.a\"\n[[mapping]]\nmatch = \"crm.*\"\ndatabase = \"x\"\n\
                            [log]\nlevel = \"debug\"\n";
        assert_eq!(differences(other_layout), [""; 0]);
        assert_eq!(
            differences(
                &TASK.replace("\"crm.*\"]", "\"blog.*\"]\nexclude = [\"shop.tmp\"]").replace("4111", "5500")
            ),
            [
                "objects.exclude has \"shop.tmp\" in addition",
                "objects.include has \"blog.*\" in addition",
                "objects.include has \"crm.*\" no more",
                "a rule of [[mapping]] is new or changed: match = \"shop.a\"",
                "a former rule of [[mapping]] is gone: match = \"shop.a\"",
            ]
        );
        let mut turned = task.clone();
        turned.mapping.reverse();
        assert_eq!(turned.differences(&task), ["the rules of [[mapping]] are in another order"]);
    }
}
