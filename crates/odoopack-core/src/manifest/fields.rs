//! The keys of a manifest, with Odoo's defaults.
use std::collections::BTreeSet;

use super::{AutoInstall, External, Files, Manifest, NoManifest, Value};

type Field<T> = Result<T, NoManifest>;

const TEXTS: &str = "a list of texts";

/// Moves what a manifest says out of its dict.
pub(super) fn manifest(mut raw: Value) -> Field<(Manifest, Files)> {
    if !matches!(raw, Value::Dict(_)) {
        return Err(NoManifest::NoDict { kind: raw.kind() });
    }
    let depends_written = texts(&mut raw, "depends")?;
    let manifest = Manifest {
        title: text(&mut raw, "name")?,
        version: version(&mut raw)?,
        license: text(&mut raw, "license")?.filter(|license| !license.is_empty()),
        installable: raw.get("installable").is_none_or(Value::is_true),
        application: raw.get("application").is_some_and(Value::is_true),
        auto_install: auto_install(&mut raw, &depends_written)?,
        depends_written,
        countries: texts(&mut raw, "countries")?
            .iter()
            .map(|code| code.to_uppercase())
            .collect(),
        excludes: texts(&mut raw, "excludes")?,
        external: external(&mut raw)?,
    };
    let files = Files {
        data: texts(&mut raw, "data")?,
        demo: texts(&mut raw, "demo")?,
        assets: assets(&mut raw)?,
    };
    Ok((manifest, files))
}

fn wrong(key: &str, value: &Value, wanted: &'static str) -> NoManifest {
    let seen = if *value == Value::None {
        "None".to_owned()
    } else {
        format!("of type {}", value.kind())
    };
    NoManifest::Field {
        key: key.to_owned(),
        seen,
        wanted,
    }
}

fn text(raw: &mut Value, key: &str) -> Field<Option<String>> {
    match raw.take(key) {
        Some(Value::Text(text)) => Ok(Some(text)),
        None | Some(Value::None | Value::Bool(false)) => Ok(None),
        Some(other) => Err(wrong(key, &other, "a text")),
    }
}

/// Odoo makes a text of whatever stands there.
fn version(raw: &mut Value) -> Field<String> {
    match raw.take("version") {
        None => Ok("1.0".to_owned()),
        Some(Value::Text(text)) => Ok(text),
        Some(Value::Int(number)) => Ok(number.to_string()),
        Some(Value::Float(number)) => Ok(format!("{number:?}")),
        Some(other) => Err(wrong("version", &other, "a text")),
    }
}

/// A list, tuple, set or dict of texts; not there or false: none.
fn texts(raw: &mut Value, key: &str) -> Field<Vec<String>> {
    match raw.take(key) {
        Some(value) if value.is_true() => list(value, key),
        _ => Ok(Vec::new()),
    }
}

fn list(value: Value, key: &str) -> Field<Vec<String>> {
    let items = value.into_items().map_err(|value| wrong(key, &value, TEXTS))?;
    let wanted = "a text, as every item of it should be";
    let one = |item: Value| item.into_text().map_err(|item| wrong(key, &item, wanted));
    items.into_iter().map(one).collect()
}

fn auto_install(raw: &mut Value, depends: &[String]) -> Field<AutoInstall> {
    const KEY: &str = "auto_install";
    let names: BTreeSet<String> = match raw.take(KEY) {
        Some(value @ (Value::Text(_) | Value::Bytes(_))) => {
            return Err(wrong(KEY, &value, "true, false or a list of dependencies"));
        }
        Some(value) if value.is_collection() => list(value, KEY)?.into_iter().collect(),
        Some(value) if value.is_true() => return Ok(AutoInstall::WithAll),
        Some(_) | None => return Ok(AutoInstall::No),
    };
    match names.iter().find(|name| !depends.contains(name)) {
        Some(module) => Err(NoManifest::Trigger {
            module: module.clone(),
        }),
        None => Ok(AutoInstall::With(names)),
    }
}

fn external(raw: &mut Value) -> Field<External> {
    match raw.take("external_dependencies") {
        Some(mut value @ Value::Dict(_)) => Ok(External {
            python: texts(&mut value, "python")?,
            bin: texts(&mut value, "bin")?,
        }),
        Some(value) if value.is_true() => Err(wrong("external_dependencies", &value, "a dict of lists")),
        Some(_) | None => Ok(External::default()),
    }
}

fn assets(raw: &mut Value) -> Field<Vec<(String, Vec<Value>)>> {
    let pairs = match raw.take("assets") {
        Some(Value::Dict(pairs)) => pairs,
        Some(value) if value.is_true() => return Err(wrong("assets", &value, "a dict of lists")),
        Some(_) | None => return Ok(Vec::new()),
    };
    let wanted = "a list, as every bundle of it should be";
    let one = |(bundle, entries): (Value, Value)| match (bundle, entries.into_items()) {
        (Value::Text(bundle), Ok(items)) => Ok((bundle, items)),
        (_, Ok(items)) => Err(wrong("assets", &Value::List(items), wanted)),
        (_, Err(entries)) => Err(wrong("assets", &entries, wanted)),
    };
    pairs.into_iter().map(one).collect()
}
