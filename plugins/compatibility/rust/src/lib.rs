//! A plugin with nothing but the standard PDK of Extism: the same module runs under Extism and here.
use extism_pdk::*;
use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

#[plugin_fn]
pub fn echo(input: Vec<u8>) -> FnResult<Vec<u8>> {
    Ok(input)
}

#[plugin_fn]
pub fn variables(input: String) -> FnResult<String> {
    let before: Option<String> = var::get("kept")?;
    var::set("kept", &input)?;
    let kept: Option<String> = var::get("kept")?;
    var::set("gone", "x")?;
    var::remove("gone")?;
    let gone: Option<String> = var::get("gone")?;
    Ok(format!("{before:?} {kept:?} {gone:?}"))
}

#[plugin_fn]
pub fn settings(_: ()) -> FnResult<String> {
    Ok(format!("{:?} {:?}", config::get("greeting")?, config::get("absent")?))
}

#[plugin_fn]
pub fn logs(_: ()) -> FnResult<()> {
    info!("told");
    warn!("warned");
    error!("blamed");
    debug!("explained");
    trace!("traced");
    Ok(())
}

#[plugin_fn]
pub fn fails(_: ()) -> FnResult<String> {
    Err(WithReturnCode::new(Error::msg("the disk is full ✗"), 3))
}

/// A return code without an error.
#[no_mangle]
pub extern "C" fn code() -> i32 {
    7
}

#[no_mangle]
pub extern "C" fn crashes() -> i32 {
    panic!("at the disco")
}

#[plugin_fn]
pub fn counts(_: ()) -> FnResult<String> {
    Ok(CALLS.fetch_add(1, Ordering::Relaxed).to_string())
}

/// `input` is an address.
#[plugin_fn]
pub fn requests(input: String) -> FnResult<String> {
    let asked = HttpRequest::new(input).with_method("POST").with_header("content-type", "text/plain");
    let answer = http::request(&asked, Some("question"))?;
    let made_by = answer.header("x-made-by").unwrap_or("nobody");
    let body = String::from_utf8(answer.body())?;
    Ok(format!("{} {made_by} {body}", answer.status_code()))
}

/// A mebibyte, written into a block of the host and read back, bytes and words.
#[plugin_fn]
pub fn blocks(_: ()) -> FnResult<String> {
    let bytes: Vec<u8> = (0..1_048_579u32).map(|n| (n * 7 % 251) as u8).collect();
    let block = Memory::from_bytes(&bytes)?;
    let same = block.to_vec() == bytes;
    let length = block.len();
    let offset = block.offset();
    block.free();
    Ok(format!("{length} {same} {}", Memory::find(offset).is_none()))
}
