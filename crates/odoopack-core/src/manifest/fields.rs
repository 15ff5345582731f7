//! The keys of a manifest, with Odoo's defaults.
use std::collections::BTreeSet;

use super::{AutoInstall, External, Manifest, NoManifest, Value};

type Field<T> = Result<T, NoManifest>;

const TEXTS: &str = "a list of texts";

pub(super) fn manifest(raw: Value) -> Field<Manifest> {
    if !matches!(raw, Value::Dict(_)) {
        return Err(NoManifest::NoDict { kind: raw.kind() });
    }
    let depends_written = texts(&raw, "depends")?;
    Ok(Manifest {
        title: text(&raw, "name")?,
        version: version(&raw)?,
        license: text(&raw, "license")?.filter(|license| !license.is_empty()),
        installable: raw.get("installable").is_none_or(Value::is_true),
        application: raw.get("application").is_some_and(Value::is_true),
        auto_install: auto_install(&raw, &depends_written)?,
        depends_written,
        countries: texts(&raw, "countries")?
            .iter()
            .map(|code| code.to_uppercase())
            .collect(),
        excludes: texts(&raw, "excludes")?,
        external: external(&raw)?,
        data: texts(&raw, "data")?,
        demo: texts(&raw, "demo")?,
        assets: assets(&raw)?,
        raw,
    })
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

fn text(raw: &Value, key: &str) -> Field<Option<String>> {
    match raw.get(key) {
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        None | Some(Value::None | Value::Bool(false)) => Ok(None),
        Some(other) => Err(wrong(key, other, "a text")),
    }
}

/// Odoo makes a text of whatever stands there.
fn version(raw: &Value) -> Field<String> {
    match raw.get("version") {
        None => Ok("1.0".to_owned()),
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(Value::Int(number)) => Ok(number.to_string()),
        Some(Value::Float(number)) => Ok(format!("{number:?}")),
        Some(other) => Err(wrong("version", other, "a text")),
    }
}

/// A list, tuple, set or dict of texts; not there or false: none.
fn texts(raw: &Value, key: &str) -> Field<Vec<String>> {
    match raw.get(key) {
        Some(value) if value.is_true() => list(value, key),
        _ => Ok(Vec::new()),
    }
}

fn list(value: &Value, key: &str) -> Field<Vec<String>> {
    let items = value.items().ok_or_else(|| wrong(key, value, TEXTS))?;
    let wanted = "a text, as every item of it should be";
    let one = |item: &Value| {
        item.text()
            .map(str::to_owned)
            .ok_or_else(|| wrong(key, item, wanted))
    };
    items.into_iter().map(one).collect()
}

fn auto_install(raw: &Value, depends: &[String]) -> Field<AutoInstall> {
    let Some(value) = raw.get("auto_install") else {
        return Ok(AutoInstall::No);
    };
    if value.items().is_none() {
        if matches!(value, Value::Text(_) | Value::Bytes(_)) {
            return Err(wrong(
                "auto_install",
                value,
                "true, false or a list of dependencies",
            ));
        }
        return Ok(if value.is_true() {
            AutoInstall::WithAll
        } else {
            AutoInstall::No
        });
    }
    let names: BTreeSet<String> = list(value, "auto_install")?.into_iter().collect();
    match names.iter().find(|name| !depends.contains(name)) {
        Some(module) => Err(NoManifest::Trigger {
            module: module.clone(),
        }),
        None => Ok(AutoInstall::With(names)),
    }
}

fn external(raw: &Value) -> Field<External> {
    match raw.get("external_dependencies") {
        Some(value @ Value::Dict(_)) => Ok(External {
            python: texts(value, "python")?,
            bin: texts(value, "bin")?,
        }),
        Some(value) if value.is_true() => Err(wrong("external_dependencies", value, "a dict of lists")),
        Some(_) | None => Ok(External::default()),
    }
}

fn assets(raw: &Value) -> Field<Vec<(String, Vec<Value>)>> {
    let pairs = match raw.get("assets") {
        Some(Value::Dict(pairs)) => pairs,
        Some(value) if value.is_true() => return Err(wrong("assets", value, "a dict of lists")),
        Some(_) | None => return Ok(Vec::new()),
    };
    let one = |(bundle, entries): &(Value, Value)| match (bundle, entries.items()) {
        (Value::Text(bundle), Some(items)) => Ok((bundle.clone(), items.into_iter().cloned().collect())),
        _ => Err(wrong(
            "assets",
            entries,
            "a list, as every bundle of it should be",
        )),
    };
    pairs.iter().map(one).collect()
}
