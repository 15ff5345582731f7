//! JSON Schema of the file, from the table of keys.
use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::keys::{self, FORMAT, Fallback, Key};
use super::load::FILE;
use super::shape::Shape;

/// JSON Schema (draft 2020-12) of `odoopack.toml`, for editors.
///
/// # Shape
/// What it refuses, [`load`](super::load()) refuses too; checks across keys are not in it.
pub fn schema() -> Value {
    let mut root = table("");
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!(FILE);
    root
}

/// The schema of whatever stands at `pattern`.
fn at(pattern: &str) -> Value {
    let leaf = keys::find(pattern).map(leaf);
    let nested = (!keys::children(pattern).is_empty()).then(|| table(pattern));
    match (leaf, nested) {
        (Some(leaf), Some(nested)) => json!({ "anyOf": [leaf, nested] }),
        (leaf, nested) => leaf.or(nested).unwrap_or_else(|| json!({})),
    }
}

fn table(pattern: &str) -> Value {
    let section = keys::table(pattern);
    let mut out = Map::from_iter([("type".to_owned(), json!("object"))]);
    if let Some(section) = section {
        out.insert("description".to_owned(), json!(section.doc));
    }
    let children = keys::children(pattern);
    if let Some((shape, _)) = section.and_then(|s| s.names) {
        out.insert("propertyNames".to_owned(), value(shape));
        out.insert("additionalProperties".to_owned(), at(&keys::join(pattern, "*")));
    } else {
        let properties = children
            .iter()
            .map(|c| ((*c).to_owned(), at(&keys::join(pattern, c))));
        out.insert("properties".to_owned(), properties.collect());
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    out.extend(obligations(pattern, &children));
    Value::Object(out)
}

/// What must be there.
fn obligations(pattern: &str, children: &[&str]) -> Option<(String, Value)> {
    let must = |c: &&&str| {
        keys::find(&keys::join(pattern, c)).is_some_and(|k| matches!(k.fallback, Fallback::Required))
    };
    let required: Vec<_> = children.iter().filter(must).collect();
    match pattern {
        "odoo.source" => {
            let one = ["git", "debian", "deb", "path"].map(|s| json!({ "required": [s] }));
            Some(("oneOf".to_owned(), json!(one)))
        }
        "environments.*.tls" => Some(("required".to_owned(), json!(["certificate", "key"]))),
        "environments" => Some(("minProperties".to_owned(), json!(1))),
        "" => Some(("required".to_owned(), json!(["format", "environments"]))),
        _ if required.is_empty() => None,
        _ => Some(("required".to_owned(), json!(required))),
    }
}

fn leaf(key: &Key) -> Value {
    let mut out = value(key.shape);
    out["description"] = json!(key.doc);
    out["examples"] = json!([toml_to_json(key.example)]);
    if let Fallback::Literal(text) = key.fallback {
        out["default"] = toml_to_json(text);
    }
    out
}

/// What may stand at a key; patterns say the same as the reader, or less.
fn value(shape: Shape) -> Value {
    let form = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match shape {
        Shape::Format => json!({ "const": FORMAT }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Port => json!({ "type": "integer", "minimum": 1, "maximum": 65_535 }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::OdooValue | Shape::PostgresValue => json!({ "type": ["string", "number", "boolean"] }),
        Shape::EnvValue => json!({ "type": ["string", "integer"] }),
        Shape::List(element) => json!({ "type": "array", "items": value(*element), "uniqueItems": true }),
        Shape::Hex(digits) => form(&format!("^[0-9A-Fa-f]{{{digits}}}$")),
        Shape::Name => form("^[a-z](-?[a-z0-9]){0,15}$"),
        Shape::Domain | Shape::Host => form("^[a-z0-9.-]{1,253}$"),
        Shape::Email => form("^[^@]+@[a-z0-9.-]+$"),
        Shape::Database => form("^[A-Za-z][A-Za-z0-9_-]{0,62}$"),
        Shape::Pattern => form("^[A-Za-z*][A-Za-z0-9_*]*$"),
        Shape::Module => form("^[A-Za-z][A-Za-z0-9_]*$"),
        Shape::Option => form("^[a-z][a-z0-9_]*$"),
        Shape::Setting => form("^[A-Za-z][A-Za-z0-9_.]*$"),
        Shape::Variable => form("^[A-Z_][A-Z0-9_]*$"),
        Shape::Absolute => form("^/[A-Za-z0-9/._+@~-]*$"),
        Shape::Path => form("^[A-Za-z0-9/._+@][A-Za-z0-9/._+@~-]*$"),
        Shape::HostPort => form("^[^ ]+:[0-9]{1,5}$"),
        Shape::Image => form("^[A-Za-z0-9][A-Za-z0-9._/:@-]*$"),
        Shape::Suite => form("^[a-z][a-z0-9-]*$"),
        Shape::Archive => form("^https?://[!-?A-~]+$"),
        Shape::Bucket => form("^https?://[^/@ ]+/[a-z0-9.-]{3,63}(/[A-Za-z0-9._/-]*)?$"),
        Shape::When => {
            form("^((Mon|Tue|Wed|Thu|Fri|Sat|Sun)(,(Mon|Tue|Wed|Thu|Fri|Sat|Sun))* )?[0-9]{2}:[0-9]{2}$")
        }
        Shape::Duration => form("^[0-9]+ *(s|m|h|d)$"),
        Shape::Within => form("^([0-9]+y)?([0-9]+m)?([0-9]+d)?([0-9]+h)?$"),
        Shape::Zone => form("^[A-Za-z][A-Za-z0-9/_+-]*$"),
        Shape::Bytes => form("^[0-9]+ *(B|KiB|MiB|GiB|TiB)$"),
        Shape::ServerUrl => form("^(secret:([A-Z][A-Z0-9_]*|cmd:.+)|postgres(ql)?://[^:@]+@.+)$"),
        Shape::Secret => form("^secret:([A-Z][A-Z0-9_]*|cmd:.+)$"),
        Shape::Repository => form("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"),
        Shape::Branch => form("^[A-Za-z0-9_][A-Za-z0-9._/-]*$"),
        Shape::HostKey => form("^[A-Za-z0-9.@-]+ [A-Za-z0-9+/=]+$"),
        Shape::Language
        | Shape::Python
        | Shape::Address
        | Shape::GitUrl
        | Shape::RepositoryUrl
        | Shape::Merge
        | Shape::Line
        | Shape::Deb => {
            json!({ "type": "string", "minLength": 1 })
        }
    }
}

fn toml_to_json(text: &str) -> Value {
    DeValue::parse(text).map_or(Value::Null, |v| json_of(v.get_ref()))
}

fn json_of(value: &DeValue<'_>) -> Value {
    if let Some(list) = value.as_array() {
        return list.iter().map(|v| json_of(v.get_ref())).collect();
    }
    let number = value
        .as_integer()
        .and_then(|i| i64::from_str_radix(i.as_str(), i.radix()).ok());
    match (value.as_bool(), number) {
        (Some(given), _) => json!(given),
        (_, Some(given)) => json!(given),
        _ => json!(value.as_str()),
    }
}
