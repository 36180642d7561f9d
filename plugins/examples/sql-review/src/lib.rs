//! Says what a text of SQL statements would read, write and lose, without running any of it.
mod review;

use extism_pdk::*;
use review::{review, Effect, Reviewed};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    sql: String,
    dialect: String,
}

#[derive(Serialize)]
struct Output {
    /// The strongest of all statements.
    effect: Effect,
    statements: Vec<Reviewed>,
}

#[plugin_fn]
pub fn review_sql(Json(input): Json<Input>) -> FnResult<Json<Output>> {
    let statements = review(&input.sql, &input.dialect).map_err(Error::msg)?;
    let effect = statements.iter().map(|one| one.effect).max().unwrap_or(Effect::Read);
    Ok(Json(Output { effect, statements }))
}
