//! The schema phase: what the source has is created at the destination, in stages.
//!
//! Every step plans anew from what both sides have at that moment, and runs what is missing. So an interrupted step, a repeated one
//! and one that follows changes of definitions in the log are all the same. A statement that the destination refuses is reported
//! with its text, and the rest goes on.

mod overrides;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use serde::Serialize;
use slackwater_decoders::schema::{
    Table, TableName,
    definition::{ObjectKind, Schema, TableDefinition},
};
use tracing::{info, warn};

use crate::{
    config::Overrides,
    destinations::{
        Destination,
        schema::{ColumnTypes, Conflict, Kind, Object, PlannedStatement, SchemaPlan, Stage, Wanted},
    },
    error::{Error, Result},
    mapping::Mapping,
    positions::SchemaLedger,
    sources::Source,
};

/// The schema phase of one task.
pub struct SchemaPhase {
    mapping: Arc<Mapping>,
    overrides: Overrides,
    types: ColumnTypes,
    ledger: SchemaLedger,
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Statements that were run.
    pub executed: usize,
    /// Objects that were there already.
    pub kept: usize,
    /// Statements that the destination refused, and objects that are in the way.
    pub failures: Vec<Failure>,
    /// Tables that cannot be copied, with the reason.
    pub uncopyable: BTreeMap<TableName, String>,
}

/// A statement that the destination refused, or an object that is in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was to be created.
    pub object: Object,
    /// When.
    pub stage: Stage,
    /// The statement; `None` for an object that is there and does not fit.
    pub sql: Option<String>,
    /// What the destination says, or what does not fit.
    pub error: String,
}

impl SchemaPhase {
    /// The schema phase of a task. What is run and refused is taken down below `state_dir`.
    ///
    /// # Errors
    /// Definite when the record of an earlier run cannot be read.
    pub fn new(mapping: Arc<Mapping>, overrides: Overrides, state_dir: &Path) -> Result<Self> {
        let types = overrides.columns.clone().into_iter().collect();
        Ok(SchemaPhase { mapping, overrides, types, ledger: SchemaLedger::open(state_dir)? })
    }

    /// What was run and refused so far.
    #[must_use]
    pub fn ledger(&self) -> &SchemaLedger {
        &self.ledger
    }

    /// What is missing at the destination of all that the source has. Changes nothing.
    ///
    /// # Errors
    /// When one of both cannot be asked.
    pub async fn plan(&self, source: &dyn Source, destination: &mut dyn Destination) -> Result<SchemaPlan> {
        let Some(schema) = source.schema(None).await? else { return Ok(SchemaPlan::default()) };
        let mut plan = self.plan_of(&schema, destination).await?;
        self.note_unknown(&schema, &mut plan);
        Ok(plan)
    }

    /// Creates tables, as they are at the source now, with what the copy of their rows needs. Tables that are there and fit
    /// are kept; tables that are gone at the source are left out.
    ///
    /// # Errors
    /// When one of both cannot be asked. Statements that are refused are in the report.
    pub async fn create_tables(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        tables: &[TableName],
    ) -> Result<Report> {
        let Some(schema) = source.schema(Some(tables)).await? else { return Ok(Report::default()) };
        self.create_tables_of(&schema, destination).await
    }

    /// Creates the tables of a schema, with what the copy of their rows needs.
    ///
    /// # Errors
    /// When the destination cannot be asked. Statements that are refused are in the report.
    pub(super) async fn create_tables_of(
        &mut self,
        schema: &Schema,
        destination: &mut dyn Destination,
    ) -> Result<Report> {
        let plan = self.plan_of(schema, destination).await?;
        let mut report = Report { kept: plan.kept.len(), ..Report::default() };
        for definition in &schema.tables {
            self.ledger.expect(definition.table.name.to_string(), parts_of(definition));
        }
        for conflict in plan.conflicts.iter().filter(|conflict| conflict.object.kind == Kind::Table) {
            report.uncopyable.insert(conflict.table.clone(), conflict.what.clone());
        }
        self.run(&plan, Stage::Tables, destination, &mut report).await?;
        let refused: HashMap<_, _> =
            report.failures.iter().map(|failure| (&failure.object, &failure.error)).collect();
        for statement in plan.statements.iter().filter(|statement| statement.object.kind == Kind::Table) {
            if let (Some(table), Some(error)) = (&statement.table, refused.get(&statement.object)) {
                report.uncopyable.insert(table.clone(), (*error).clone());
            }
        }
        let kept: HashSet<_> = plan.kept.iter().map(ToString::to_string).collect();
        for table in overrides::skipped_tables(&self.overrides, schema) {
            if !kept.contains(&format!("{} {table}", Kind::Table.word())) {
                let why = "the override file skips it, and it is not at the destination";
                report.uncopyable.insert(table, why.to_owned());
            }
        }
        self.ledger.save()?;
        Ok(report)
    }

    /// Counts the keys that a table has now as those that it had when it was created.
    ///
    /// # Errors
    /// When they cannot be stored.
    pub(super) fn expect_keys_of(&mut self, table: &Table) -> Result<()> {
        let indexes = table.indexes.iter().filter(|index| !index.implied).map(|index| &index.name);
        let names = table.unique_keys.iter().map(|key| &key.name).chain(indexes);
        let parts = names.map(|name| format!("{} {}.{name}", Kind::Index.word(), table.name));
        self.ledger.expect_also(&table.name.to_string(), parts);
        self.ledger.save()
    }

    /// Runs what is missing at the destination of a stage behind the copy, and of those between the copy and it. What belongs to
    /// tables or columns that are not at the destination waits for them. Before the cutover keys are left to the
    /// log that came to a table after it was created: the log has the statements, and they would find their work done.
    ///
    /// # Errors
    /// When one of both cannot be asked. Statements that are refused are in the report; the next call tries them again.
    pub async fn complete(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<Report> {
        let Some(schema) = source.schema(None).await? else { return Ok(Report::default()) };
        let mut plan = self.plan_of(&schema, destination).await?;
        drop(schema);
        if stage < Stage::AtCutover {
            plan.statements.retain(|statement| {
                let is_part = matches!(statement.object.kind, Kind::Index | Kind::ForeignKey);
                let table = statement.table.as_ref().filter(|_| is_part).map(ToString::to_string);
                table.is_none_or(|table| self.ledger.expects(&table, &statement.object.to_string()))
            });
        }
        self.run_behind_tables(plan, destination, stage).await
    }

    /// Runs everything that is missing at the destination up to a stage, because the operator says so.
    ///
    /// # Errors
    /// When one of both cannot be asked. Statements that are refused are in the report.
    pub async fn apply(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        until: Stage,
    ) -> Result<Report> {
        let Some(schema) = source.schema(None).await? else { return Ok(Report::default()) };
        let plan = self.plan_of(&schema, destination).await?;
        let mut created = Report { kept: plan.kept.len(), ..Report::default() };
        created.failures.extend(in_the_way(&plan, |kind| kind == Kind::Table));
        self.run(&plan, Stage::Tables, destination, &mut created).await?;
        if until == Stage::Tables {
            self.ledger.save()?;
            return Ok(created);
        }
        let plan = self.plan_of(&schema, destination).await?;
        let mut report = self.run_behind_tables(plan, destination, until).await?;
        report.executed += created.executed;
        created.failures.retain(|failure| failure.sql.is_some() || until == Stage::AfterLoad);
        report.failures.splice(0..0, created.failures);
        Ok(report)
    }

    async fn run_behind_tables(
        &mut self,
        mut plan: SchemaPlan,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<Report> {
        let mut report = Report { kept: plan.kept.len(), ..Report::default() };
        // Between the copy and its consistency the log has yet to bring changes of columns.
        let settled = stage != Stage::AfterLoad;
        report.failures.extend(in_the_way(&plan, |kind| settled || kind != Kind::Table));
        without_missing_tables(&mut plan);
        for step in [Stage::AfterLoad, Stage::AtConsistency, Stage::AtCutover] {
            if step <= stage {
                self.run(&plan, step, destination, &mut report).await?;
            }
        }
        self.ledger.save()?;
        Ok(report)
    }

    async fn plan_of(&self, schema: &Schema, destination: &mut dyn Destination) -> Result<SchemaPlan> {
        let wanted = Wanted { schema, mapping: &self.mapping, types: &self.types };
        let mut plan = destination.plan(&wanted).await?;
        overrides::apply(&self.overrides, &mut plan);
        Ok(plan)
    }

    /// Says which overrides name nothing.
    fn note_unknown(&self, schema: &Schema, plan: &mut SchemaPlan) {
        for name in overrides::unknown(&self.overrides, schema, plan) {
            plan.note(
                "override file",
                format!("{name} names nothing at the source: is it spelled as in this plan?"),
            );
        }
    }

    async fn run(
        &mut self,
        plan: &SchemaPlan,
        stage: Stage,
        destination: &mut dyn Destination,
        report: &mut Report,
    ) -> Result<()> {
        plan.kept.iter().for_each(|object| self.ledger.settle(&object.to_string()));
        let mut views = Vec::new();
        let mut independent = Vec::new();
        for (combined, members) in plan.combined(stage) {
            match combined.object.kind {
                kind if needs_others(kind) && stage != Stage::Tables => views.push(combined),
                Kind::Table | Kind::Index => independent.push((combined, members)),
                _ => {
                    self.run_all(std::mem::take(&mut independent), destination, report).await?;
                    self.run_all(vec![(combined, members)], destination, report).await?;
                }
            }
        }
        self.run_all(independent, destination, report).await?;
        self.run_views(views, destination, report).await
    }

    /// Runs statements that do not depend on each other, each with those that it is made of.
    async fn run_all(
        &mut self,
        statements: Vec<(PlannedStatement, Vec<&PlannedStatement>)>,
        destination: &mut dyn Destination,
        report: &mut Report,
    ) -> Result<()> {
        let (statements, members): (Vec<_>, Vec<_>) = statements.into_iter().unzip();
        if statements.is_empty() {
            return Ok(());
        }
        let outcomes = destination.execute_all(&statements).await?;
        for ((combined, members), outcome) in statements.iter().zip(members).zip(outcomes) {
            match outcome {
                Ok(()) => {
                    info!(object = %combined.object, "created");
                    report.executed += 1;
                    members.iter().for_each(|member| {
                        self.ledger.record(member.object.to_string(), &combined.sql, None)
                    });
                }
                Err(refusal) if members.len() < 2 => self.refused(combined, refusal, report),
                Err(_) => {
                    // One of them is refused, and together they all are.
                    for member in members {
                        self.run_alone(member, destination, report).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn run_alone(
        &mut self,
        statement: &PlannedStatement,
        destination: &mut dyn Destination,
        report: &mut Report,
    ) -> Result<()> {
        match self.execute(statement, destination).await? {
            None => {
                report.executed += 1;
                self.ledger.record(statement.object.to_string(), &statement.sql, None);
            }
            Some(refusal) => self.refused(statement, refusal, report),
        }
        Ok(())
    }

    /// Views may be made of views: those that are refused are tried again for as long as others are created.
    async fn run_views(
        &mut self,
        mut views: Vec<PlannedStatement>,
        destination: &mut dyn Destination,
        report: &mut Report,
    ) -> Result<()> {
        loop {
            let before = views.len();
            let mut refused = Vec::new();
            for view in views {
                match self.execute(&view, destination).await? {
                    None => {
                        report.executed += 1;
                        self.ledger.record(view.object.to_string(), &view.sql, None);
                    }
                    Some(refusal) => refused.push((view, refusal)),
                }
            }
            if refused.is_empty() || refused.len() == before {
                for (view, refusal) in refused {
                    self.refused(&view, refusal, report);
                }
                return Ok(());
            }
            views = refused.into_iter().map(|(view, _)| view).collect();
        }
    }

    /// Runs a statement; returns the error when it is refused.
    async fn execute(
        &self,
        statement: &PlannedStatement,
        destination: &mut dyn Destination,
    ) -> Result<Option<Error>> {
        match destination.execute(statement).await {
            Ok(()) => {
                info!(object = %statement.object, "created");
                Ok(None)
            }
            Err(error) if error.is_transient() => Err(error.on(&statement.object)),
            Err(error) => Ok(Some(error)),
        }
    }

    fn refused(&mut self, statement: &PlannedStatement, refusal: Error, report: &mut Report) {
        let (error, _) = refusal.parts();
        warn!(object = %statement.object, stage = %statement.stage, error, statement = statement.sql, "not created");
        self.ledger.record(statement.object.to_string(), &statement.sql, Some(error.clone()));
        report.failures.push(Failure {
            object: statement.object.clone(),
            stage: statement.stage,
            sql: Some(statement.sql.clone()),
            error,
        });
    }
}

/// Whether objects of a kind may be made of each other in any order: views of views, of the results of functions, and functions of
/// views.
fn needs_others(kind: Kind) -> bool {
    use ObjectKind::{Function, MaterializedView, Procedure, View};
    matches!(kind, Kind::Stored(View | MaterializedView | Function | Procedure))
}

/// The objects that are in the way, of some kinds.
fn in_the_way(plan: &SchemaPlan, counts: impl Fn(Kind) -> bool) -> Vec<Failure> {
    let conflicts = plan.conflicts.iter().filter(|conflict| counts(conflict.object.kind));
    let failure = |conflict: &Conflict| Failure {
        object: conflict.object.clone(),
        stage: if conflict.object.kind == Kind::Table { Stage::Tables } else { Stage::AfterLoad },
        sql: None,
        error: conflict.what.clone(),
    };
    conflicts.map(failure).collect()
}

/// The keys and foreign keys of a table, as the plan names them.
fn parts_of(definition: &TableDefinition) -> BTreeSet<String> {
    let (table, details) = (&definition.table.name, &definition.details);
    let keys = details.keys.iter().map(|key| format!("{} {table}.{}", Kind::Index.word(), key.name));
    let foreign = details.foreign_keys.iter();
    let foreign = foreign.map(|key| format!("{} {table}.{}", Kind::ForeignKey.word(), key.name));
    keys.chain(foreign).collect()
}

/// Takes out what belongs to tables that are not at the destination.
fn without_missing_tables(plan: &mut SchemaPlan) {
    let pending = plan.statements.iter().filter(|statement| statement.object.kind == Kind::Table);
    let missing: HashSet<TableName> = pending.filter_map(|statement| statement.table.clone()).collect();
    plan.statements.retain(|statement| {
        let waits = statement.table.as_ref().is_some_and(|table| missing.contains(table));
        if waits && statement.stage != Stage::Tables {
            info!(object = %statement.object, "left out: its table is not at the destination");
        }
        !waits
    });
}
