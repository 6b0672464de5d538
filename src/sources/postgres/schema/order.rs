//! What needs what: which objects the selected ones need, and an order in which all of them can be created.

use std::collections::{HashMap, HashSet};

use super::{
    objects::class,
    tables::{FIRST_OWN, unreadable},
};
use crate::{error::Result, postgres_client::Session};

/// An entry of a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node {
    /// The OID of the catalog.
    pub(super) class: u32,
    pub(super) oid: u32,
}

/// For each entry those that it needs (`pg_depend`). What belongs to a relation counts for the relation: defaults, constraints, indexes, and the
/// rules that views are made of. What a foreign key refers to is not needed: it comes when all tables are there.
pub(super) struct Needs(HashMap<Node, Vec<Node>>);

impl Needs {
    /// Reads them.
    ///
    /// # Errors
    /// The server's refusal, or a lost connection.
    pub(super) async fn read(session: &Session) -> Result<Self> {
        let question = format!(
            "SELECT CASE WHEN k.oid IS NOT NULL THEN {TYPE}::oid WHEN co.contypid > 0 THEN {TYPE} WHEN d.classid IN (2604, 2606, 2618) THEN {RELATION} \
               ELSE d.classid END, \
               coalesce(k.reltype, ad.adrelid, rw.ev_class, nullif(co.conrelid, 0), nullif(co.contypid, 0), ix.indrelid, d.objid), \
               d.refclassid, d.refobjid \
             FROM pg_depend d \
             LEFT JOIN pg_attrdef ad ON d.classid = 2604 AND ad.oid = d.objid \
             LEFT JOIN pg_constraint co ON d.classid = 2606 AND co.oid = d.objid \
             LEFT JOIN pg_rewrite rw ON d.classid = 2618 AND rw.oid = d.objid \
             LEFT JOIN pg_index ix ON d.classid = {RELATION} AND ix.indexrelid = d.objid \
             LEFT JOIN pg_class k ON d.classid = {RELATION} AND k.oid = d.objid AND k.relkind = 'c' \
             WHERE d.refobjid >= {FIRST_OWN} AND d.refclassid IN ({TYPE}, {FUNCTION}, {RELATION}, {EXTENSION}) \
               AND d.classid IN ({TYPE}, {FUNCTION}, {RELATION}, {TRIGGER}, 2604, 2606, 2618) \
               AND (d.deptype IN ('n', 'e') OR d.deptype = 'i' AND d.classid = {TYPE}) AND co.contype IS DISTINCT FROM 'f'",
            TYPE = class::TYPE,
            FUNCTION = class::FUNCTION,
            RELATION = class::RELATION,
            TRIGGER = class::TRIGGER,
            EXTENSION = class::EXTENSION,
        );
        let mut needs: HashMap<Node, Vec<Node>> = HashMap::new();
        for row in session.query(&question, &[]).await.map_err(unreadable)? {
            let oid = |place| row.try_get::<_, u32>(place).map_err(unreadable);
            let (from, to) = (Node { class: oid(0)?, oid: oid(1)? }, Node { class: oid(2)?, oid: oid(3)? });
            if from != to {
                needs.entry(from).or_default().push(to);
            }
        }
        Ok(Needs(needs))
    }

    /// The roots and all that they need, each behind what it needs itself (but for those that need each other).
    pub(super) fn in_order(&self, roots: impl IntoIterator<Item = Node>) -> Vec<Node> {
        let (mut seen, mut ordered) = (HashSet::new(), Vec::new());
        // Entries on the way, with how many of their needs were looked at. Not by recursion: chains may be long.
        let mut path: Vec<(Node, usize)> = Vec::new();
        for root in roots {
            if seen.insert(root) {
                path.push((root, 0));
            }
            while let Some((node, looked_at)) = path.last_mut() {
                let node = *node;
                match self.0.get(&node).and_then(|needs| needs.get(*looked_at)) {
                    Some(next) => {
                        *looked_at += 1;
                        if seen.insert(*next) {
                            path.push((*next, 0));
                        }
                    }
                    None => {
                        path.pop();
                        ordered.push(node);
                    }
                }
            }
        }
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let node = |oid| Node { class: class::TYPE, oid };
        let needs = HashMap::from([
            (node(1), vec![node(3), node(2)]),
            (node(2), vec![node(3)]),
            (node(3), vec![node(1)]),
        ]);
        let order = Needs(needs).in_order([node(4), node(1)]);
        assert_eq!(order, [4, 3, 2, 1].map(node));
    }
}
