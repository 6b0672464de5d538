//! The privileges of an account, as SHOW GRANTS lists them.
//!
//! Read are lines of the form `GRANT SELECT, INSERT ON `shop`.* TO …` and, of MySQL 8.0.16 and later, `REVOKE … FROM …` (a
//! partial revoke). Lines that grant a role name no privilege: the server lists those of the active roles beside them. What
//! follows behind TO is not looked at: there old servers have the hash of the password.

use slackwater_decoders::schema::TableName;

use crate::config::Pattern;

/// What a privilege is needed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole server, `*.*`.
    Server,
    /// All databases of a pattern of LIKE (`shop`, `crm\_%`).
    Database(String),
    /// One table.
    Table(TableName),
}

impl Scope {
    /// The narrowest scope that a GRANT can name and that holds all objects of a pattern of the task file.
    pub(crate) fn of(pattern: &Pattern) -> Self {
        let (database, table) = (pattern.database(), pattern.table());
        match like(database) {
            Some(_) if Pattern::is_name(database) && Pattern::is_name(table) => {
                Scope::Table(TableName::new(database, table))
            }
            Some(like) if database != "*" => Scope::Database(like),
            _ => Scope::Server,
        }
    }

    /// The scope of one database by its name.
    pub(crate) fn database(name: &str) -> Self {
        Scope::Database(escaped(name))
    }

    /// As it stands behind ON in a GRANT.
    pub(crate) fn sql(&self) -> String {
        let name = |name: &str| format!("`{}`", name.replace('`', "``"));
        match self {
            Scope::Server => "*.*".to_owned(),
            Scope::Database(like) => format!("{}.*", name(like)),
            Scope::Table(table) => format!("{}.{}", name(&table.database), name(&table.table)),
        }
    }
}

/// In the database of a GRANT `_` and `%` stand for others.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// A glob as a pattern of LIKE; `None` when it has what LIKE has not.
fn like(glob: &str) -> Option<String> {
    let plain = !glob.contains(['[', ']', '{', '}', '\\']);
    plain.then(|| escaped(glob).replace('*', "%").replace('?', "_"))
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    revoked: bool,
    privileges: Vec<String>,
    database: String,
    table: String,
}

/// All lines of an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    lines: Vec<Grant>,
}

impl Grants {
    /// Reads the lines of SHOW GRANTS.
    pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        Grants { lines: lines.into_iter().filter_map(Grant::parse).collect() }
    }

    /// Whether the account has a privilege everywhere in a scope. Privileges are named as SHOW GRANTS does, in capitals.
    pub(crate) fn allow(&self, privilege: &str, scope: &Scope) -> bool {
        let mut hits = self.lines.iter().filter(|line| line.names(privilege)).peekable();
        let (mut granted, mut revoked) = (false, false);
        for line in hits.by_ref() {
            if line.revoked {
                revoked |= *scope == Scope::Server || line.holds(scope);
            } else {
                granted |= line.holds(scope);
            }
        }
        granted && !revoked
    }

    /// Those of `privileges` that the account does not have everywhere in a scope.
    pub(crate) fn missing<'a>(&self, privileges: &[&'a str], scope: &Scope) -> Vec<&'a str> {
        privileges.iter().copied().filter(|privilege| !self.allow(privilege, scope)).collect()
    }
}

impl Grant {
    fn parse(line: &str) -> Option<Self> {
        let (revoked, rest, end) = match line.strip_prefix("GRANT ") {
            Some(rest) => (false, rest, " TO "),
            None => (true, line.strip_prefix("REVOKE ")?, " FROM "),
        };
        let (privileges, rest) = split_outside(rest, " ON ")?;
        let (object, _) = split_outside(rest, end)?;
        let (database, table) = split_outside(object, ".")?;
        let mut names = Vec::new();
        let mut rest = Some(privileges);
        while let Some(list) = rest {
            let (first, others) =
                split_outside(list, ",").map_or((list, None), |(first, others)| (first, Some(others)));
            names.push(first.trim().to_owned());
            rest = others;
        }
        Some(Grant { revoked, privileges: names, database: unquoted(database)?, table: unquoted(table)? })
    }

    fn names(&self, privilege: &str) -> bool {
        let all = |name: &str| name == "ALL PRIVILEGES" || name == "ALL";
        // A privilege on some columns (`SELECT (id)`) is not one on the table.
        self.privileges.iter().any(|name| name == privilege || all(name))
    }

    fn holds(&self, scope: &Scope) -> bool {
        if self.database == "*" {
            return true;
        }
        match scope {
            Scope::Server => false,
            Scope::Database(like) => {
                self.table == "*"
                    && (self.database == *like
                        || plain_name(like).is_some_and(|name| matches(&self.database, &name)))
            }
            Scope::Table(table) if self.table == "*" => matches(&self.database, &table.database),
            Scope::Table(table) => self.database == *table.database && self.table == *table.table,
        }
    }
}

/// Splits at the first separator that stands neither inside quotes nor inside parentheses.
fn split_outside<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (mut quote, mut depth) = (None, 0_u32);
    for (place, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '`' | '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) if depth == 0 => {
                if let Some(rest) = text.get(place..).and_then(|rest| rest.strip_prefix(separator)) {
                    return Some((text.get(..place)?, rest));
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// A name without its quotes; `None` for `PROCEDURE `shop`` and the like, which no table is under.
fn unquoted(name: &str) -> Option<String> {
    for quote in ['`', '"'] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()));
        }
    }
    (!name.contains(['`', '"', ' '])).then(|| name.to_owned())
}

/// The name that a pattern of LIKE without wildcards stands for.
fn plain_name(like: &str) -> Option<String> {
    let (mut name, mut chars) = (String::new(), like.chars());
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => return None,
            '\\' => name.extend(chars.next()),
            c => name.push(c),
        }
    }
    Some(name)
}

/// Whether a name matches a pattern of LIKE.
fn matches(like: &str, name: &str) -> bool {
    let mut pattern = like.chars();
    match (pattern.next(), name.chars().next()) {
        (None, first) => first.is_none(),
        (Some('%'), _) => {
            let ends = name.char_indices().map(|(place, _)| place).chain([name.len()]);
            ends.filter_map(|place| name.get(place..)).any(|rest| matches(pattern.as_str(), rest))
        }
        (Some(_), None) => false,
        (Some(c), Some(first)) => {
            let literal = if c == '\\' { pattern.next() } else { Some(c) };
            let fits = (c == '_') || literal == Some(first);
            fits && matches(pattern.as_str(), name.get(first.len_utf8()..).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// As MySQL 9.7, 5.7 and MariaDB 10.11 list them.
    #[test]
    fn grants_of_every_level_are_weighed() {
        let grants = Grants::parse([
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `u`@`%`",
            "GRANT SELECT ON `shop`.* TO `u`@`%`",
            "GRANT SELECT, INSERT (`a`, `b`) ON `blog`.`posts` TO `u`@`%`",
            "GRANT SELECT ON `crm\\_%`.* TO `u`@`%`",
            "GRANT SELECT ON `w_x`.* TO 'u'@'%' WITH GRANT OPTION",
            "GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `u`@`%`",
            "GRANT `r`@`%` TO `u`@`%`",
        ]);
        let database = |like: &str| Scope::Database(like.to_owned());
        let table = |database: &str, table: &str| Scope::Table(TableName::new(database, table));
        assert!(grants.allow("REPLICATION SLAVE", &Scope::Server));
        assert!(!grants.allow("SELECT", &Scope::Server));
        assert!(grants.allow("SELECT", &database("shop")) && grants.allow("SELECT", &table("shop", "t")));
        assert!(
            grants.allow("SELECT", &table("blog", "posts")) && !grants.allow("SELECT", &database("blog"))
        );
        assert!(!grants.allow("INSERT", &table("blog", "posts")), "on two columns only");
        assert!(grants.allow("SELECT", &database("crm\\_1")) && grants.allow("SELECT", &database("crm\\_%")));
        assert!(!grants.allow("SELECT", &database("crmx")));
        assert!(grants.allow("SELECT", &database("wax")) && !grants.allow("SELECT", &database("waxx")));
        assert_eq!(grants.missing(&["SELECT", "UPDATE"], &database("shop")), ["UPDATE"]);
    }

    #[test]
    fn a_partial_revoke_takes_a_database_out() {
        let grants = Grants::parse([
            "GRANT SELECT, RELOAD ON *.* TO `u`@`%`",
            "REVOKE SELECT ON `hidden`.* FROM `u`@`%`",
        ]);
        assert!(!grants.allow("SELECT", &Scope::database("hidden")));
        assert!(grants.allow("SELECT", &Scope::database("shop")) && !grants.allow("SELECT", &Scope::Server));
        let all =
            Grants::parse(["GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' IDENTIFIED BY PASSWORD 'x'"]);
        assert!(all.allow("SELECT", &Scope::Server));
    }

    #[test]
    fn a_grant_names_no_more_than_the_pattern() {
        let scope = |text: &str| Scope::of(&Pattern::compile(text).unwrap()).sql();
        assert_eq!(scope("shop.*"), "`shop`.*");
        assert_eq!(scope("my_shop.*"), "`my\\_shop`.*");
        assert_eq!(scope("my_shop.orders"), "`my_shop`.`orders`");
        assert_eq!(scope("crm_?.{a,b}"), "`crm\\__`.*");
        assert_eq!(scope("crm_[0-9].*"), "*.*");
        assert_eq!(scope("*.*"), "*.*");
    }
}
