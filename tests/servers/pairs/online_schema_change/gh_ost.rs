//! The statements that gh-ost runs, in its order. Its program is in no package registry; what it does is in its documentation
//! (*What are the requirements*, *Cut-over*, *Triggerless design*, *Command line flags*) and in the statements that it logs.
//!
//! The copy takes ranges of the key by `INSERT IGNORE`; what is written meanwhile comes from the log, as `REPLACE`, `UPDATE` and
//! `DELETE`, between the ranges. In the cut-over one session locks the table and a sentry of the old one's name, a second one
//! waits with the RENAME of both tables, and when the last changes are there the first one drops the sentry and unlocks.

use std::{thread, time::Duration};

use anyhow::Result;
use slackwater_testkit::{
    Server,
    mysql::{Conn, prelude::Queryable},
    run_statements,
};

use super::writer::{Change, Writer};

const CHUNK: u64 = 200;
const COLUMNS: &str = "`id`, `customer`, `amount`";

/// Changes `shop.orders`.
pub(crate) fn change(server: &Server, writer: &Writer, change: &str) -> Result<()> {
    let mut session = server.conn()?;
    for statement in [
        "drop /* gh-ost */ table if exists `shop`.`_orders_gho`",
        "drop /* gh-ost */ table if exists `shop`.`_orders_ghc`",
        "create /* gh-ost */ table `shop`.`_orders_ghc` (id bigint unsigned auto_increment, \
         last_update timestamp not null default current_timestamp on update current_timestamp, \
         hint varchar(64) charset ascii not null, value varchar(4096) charset ascii not null, \
         primary key(id), unique key hint_uidx(hint)) auto_increment=256",
        "create /* gh-ost */ table `shop`.`_orders_gho` like `shop`.`orders`",
        &format!("alter /* gh-ost */ table `shop`.`_orders_gho` {change}"),
        "insert /* gh-ost */ into `shop`.`_orders_ghc` (id, hint, value) values (NULLIF(2, 0), 'state', 'GhostTableMigrated') \
         on duplicate key update last_update=NOW(), value=VALUES(value)",
    ] {
        run_statements(&mut session, statement)?;
    }
    copy(&mut session, writer)?;
    cut_over(server, &mut session, writer)?;
    run_statements(&mut session, "drop /* gh-ost */ table if exists `shop`.`_orders_ghc`")?;
    run_statements(&mut session, "drop /* gh-ost */ table if exists `shop`.`_orders_del`")
}

fn copy(session: &mut Conn, writer: &Writer) -> Result<()> {
    let last: u64 = session.query_first("select max(`id`) from `shop`.`orders`")?.expect("there are rows");
    let mut from = 0;
    while from < last {
        let to = (from + CHUNK).min(last);
        run_statements(
            session,
            &format!(
                "insert /* gh-ost `shop`.`orders` */ ignore into `shop`.`_orders_gho` ({COLUMNS}) \
                 (select {COLUMNS} from `shop`.`orders` force index (`PRIMARY`) \
                 where `id` > {from} and `id` <= {to} lock in share mode)"
            ),
        )?;
        drain(session, writer, Duration::ZERO)?;
        run_statements(
            session,
            "insert /* gh-ost */ into `shop`.`_orders_ghc` (id, hint, value) values (NULLIF(1, 0), 'heartbeat', now(6)) \
             on duplicate key update last_update=NOW(), value=VALUES(value)",
        )?;
        thread::sleep(Duration::from_millis(20));
        from = to;
    }
    Ok(())
}

/// The atomic cut-over.
fn cut_over(server: &Server, session: &mut Conn, writer: &Writer) -> Result<()> {
    let mut locking = server.conn()?;
    for statement in [
        "create /* gh-ost */ table `shop`.`_orders_del` (id int auto_increment primary key) engine=InnoDB \
         comment='ghost-cut-over-sentry'",
        "lock /* gh-ost */ tables `shop`.`orders` write, `shop`.`_orders_del` write",
    ] {
        run_statements(&mut locking, statement)?;
    }
    // A change is known here a moment after its commit.
    drain(session, writer, Duration::from_millis(300))?;
    let mut renaming = server.conn()?;
    thread::scope(|scope| -> Result<()> {
        let rename = scope.spawn(move || {
            run_statements(
                &mut renaming,
                "rename /* gh-ost */ table `shop`.`orders` to `shop`.`_orders_del`, \
                 `shop`.`_orders_gho` to `shop`.`orders`",
            )
        });
        let waiting = "select count(*) from information_schema.processlist \
             where state like 'Waiting for table metadata lock%' and info like 'rename%'";
        while session.query_first::<u64, _>(waiting)? != Some(1) {
            thread::sleep(Duration::from_millis(5));
        }
        run_statements(&mut locking, "drop /* gh-ost */ table if exists `shop`.`_orders_del`")?;
        run_statements(&mut locking, "unlock tables")?;
        rename.join().expect("the rename does not panic")
    })
}

/// Applies to the ghost table what was committed since the last time, until nothing comes for that long. What the copy had
/// already comes to the same in the end.
fn drain(session: &mut Conn, writer: &Writer, quiet: Duration) -> Result<()> {
    let log = writer.log.lock().expect("one at a time");
    while let Ok(change) = log.recv_timeout(quiet) {
        let statement = match change {
            Change::Row { inserted: true, id, customer, amount } => format!(
                "replace /* gh-ost `shop`.`_orders_gho` */ into `shop`.`_orders_gho` ({COLUMNS}) \
                 values ({id}, '{customer}', {amount})"
            ),
            Change::Row { id, customer, amount, .. } => format!(
                "update /* gh-ost `shop`.`_orders_gho` */ `shop`.`_orders_gho` \
                 set `id`={id}, `customer`='{customer}', `amount`={amount} where ((`id` = {id}))"
            ),
            Change::Gone { id } => format!(
                "delete /* gh-ost `shop`.`_orders_gho` */ from `shop`.`_orders_gho` where ((`id` = {id}))"
            ),
        };
        run_statements(session, &statement)?;
    }
    Ok(())
}
