//! The judgement itself. A statement counts as what its strongest part does, parts inside of
//! `WITH` and `EXPLAIN` too; what a called function does can not be seen in the text.
use core::ops::ControlFlow;
use serde::Serialize;
use sqlparser::ast::{
    visit_relations, visit_statements, AlterTableOperation, Query, SetExpr, Statement,
};
use sqlparser::dialect::dialect_from_str;
use sqlparser::parser::Parser;
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    Read,
    Write,
    Destructive,
}

#[derive(Serialize)]
pub struct Reviewed {
    /// How the statement begins, such as `DELETE`.
    kind: String,
    pub effect: Effect,
    /// Tables and views that it names, sorted.
    relations: BTreeSet<String>,
    risks: Vec<String>,
}

/// The statements in order, or what the parser says against the text.
pub fn review(sql: &str, dialect: &str) -> Result<Vec<Reviewed>, String> {
    let known = dialect_from_str(dialect).ok_or_else(|| format!("unknown dialect {dialect}"))?;
    let statements = Parser::parse_sql(&*known, sql).map_err(|error| error.to_string())?;
    Ok(statements.iter().map(judge).collect())
}

fn judge(statement: &Statement) -> Reviewed {
    let mut relations = BTreeSet::new();
    let _ = visit_relations(statement, |name| {
        relations.insert(name.to_string());
        ControlFlow::<()>::Continue(())
    });
    // The names that it drops are no relations to the parser.
    if let Statement::Drop { names, .. } = statement {
        relations.extend(names.iter().map(ToString::to_string));
    }
    let mut effect = Effect::Read;
    let mut risks = Vec::new();
    let _ = visit_statements(statement, |part| {
        let (strength, risk) = judge_part(part);
        effect = effect.max(strength);
        risks.extend(risk);
        ControlFlow::<()>::Continue(())
    });
    let text = statement.to_string();
    let kind = text.split_whitespace().next().unwrap_or_default().to_uppercase();
    Reviewed { kind, effect, relations, risks }
}

fn judge_part(statement: &Statement) -> (Effect, Option<String>) {
    match statement {
        Statement::Query(query) if !stores(query) => (Effect::Read, None),
        Statement::Explain { .. } | Statement::ExplainTable { .. } => (Effect::Read, None),
        Statement::Delete(delete) if delete.selection.is_none() => {
            lost("DELETE without WHERE removes every row".into())
        }
        Statement::Update { selection: None, .. } => {
            lost("UPDATE without WHERE changes every row".into())
        }
        Statement::Truncate { .. } => lost("TRUNCATE removes every row".into()),
        Statement::Drop { object_type, names, cascade, .. } => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let also = if *cascade { ", and what depends on it" } else { "" };
            lost(format!("DROP {object_type} removes {}{also}", names.join(", ")))
        }
        Statement::AlterTable { operations, .. } => {
            let drops = operations
                .iter()
                .any(|operation| matches!(operation, AlterTableOperation::DropColumn { .. }));
            match drops {
                true => lost("ALTER TABLE removes a column with its values".into()),
                false => (Effect::Write, None),
            }
        }
        _ => (Effect::Write, None),
    }
}

fn lost(risk: String) -> (Effect, Option<String>) {
    (Effect::Destructive, Some(risk))
}

/// Whether a query makes a table of its rows, as `SELECT … INTO` does.
fn stores(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if select.into.is_some())
}
