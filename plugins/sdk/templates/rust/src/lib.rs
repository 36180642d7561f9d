use extism_pdk::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    name: String,
}

#[derive(Serialize)]
struct Output {
    greeting: String,
}

#[plugin_fn]
pub fn greet(Json(input): Json<Input>) -> FnResult<Json<Output>> {
    let greeting = format!("Hello, {}!", input.name);
    Ok(Json(Output { greeting }))
}
