//! JSON Schema of the lock, published beside the reference of the file.
use serde_json::{Value, json};

use super::{FILE, FORMAT};

/// JSON Schema (draft 2020-12) of `oca.lock.json`.
pub fn schema() -> Value {
    let commit = json!({ "type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$", "description": "Full object id of git." });
    let sha256 = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let text = json!({ "type": "string", "minLength": 1 });
    let name = json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" });
    let mut root = object(
        &json!({
            "$schema": { "type": "string" },
            "format": { "const": FORMAT },
            "series": { "enum": ["17.0", "18.0", "19.0"] },
            "odoo": odoo(&commit, &sha256, &text),
            "repositories": { "type": "object", "propertyNames": name, "additionalProperties": repository(&commit, &text) },
            "groups": { "type": "object", "propertyNames": name, "additionalProperties": group() },
            "debian": debian("Debian packages that the pack's own apt.txt names."),
            "python": python(&sha256, &text),
        }),
        &["format", "series", "odoo", "repositories"],
    );
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!(FILE);
    root["description"] =
        json!("Every byte that a release is built from: Odoo, repositories of modules, Python packages.");
    root
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn odoo(commit: &Value, sha256: &Value, text: &Value) -> Value {
    let package = object(
        &json!({ "name": text, "version": text, "size": { "type": "integer", "minimum": 0 }, "sha256": sha256 }),
        &["name", "version", "size", "sha256"],
    );
    let image = json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
    let kinds = [
        (
            "git",
            object(&json!({ "url": text, "commit": commit }), &["url", "commit"]),
        ),
        (
            "debian",
            object(
                &json!({ "suite": text, "packages": { "type": "array", "items": package } }),
                &["suite", "packages"],
            ),
        ),
        (
            "deb",
            object(
                &json!({ "location": text, "sha256": sha256 }),
                &["location", "sha256"],
            ),
        ),
        (
            "image",
            object(
                &json!({ "name": text, "id": image, "digest": text }),
                &["name", "id"],
            ),
        ),
        ("path", object(&json!({ "directory": text }), &["directory"])),
    ];
    let one = kinds.map(|(name, inner)| object(&json!({ name: inner }), &[name]));
    json!({ "oneOf": one })
}

fn repository(commit: &Value, text: &Value) -> Value {
    let merge = object(
        &json!({ "url": text, "ref": text, "commit": commit }),
        &["ref", "commit"],
    );
    object(
        &json!({
            "url": text,
            "branch": text,
            "commit": commit,
            "merges": { "type": "array", "items": merge },
            "merged": commit,
            "tree": commit,
            "group": text,
            "python": { "type": "array", "items": text, "description": "What these modules need of Python, as requirements." },
            "debian": debian("Debian packages that the repository's apt.txt names."),
            "modules": { "type": "object", "additionalProperties": text, "description": "Modules that are taken, with the version of their manifest." },
        }),
        &["url", "branch", "commit", "tree", "modules"],
    )
}

fn debian(description: &str) -> Value {
    let name = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9+.-]+$" });
    json!({ "type": "array", "items": name, "description": description })
}

fn group() -> Value {
    object(
        &json!({ "order": { "type": "integer", "minimum": 0 }, "description": { "type": ["string", "null"] } }),
        &["order"],
    )
}

fn python(sha256: &Value, text: &Value) -> Value {
    let hash = json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
    let package = object(
        &json!({ "name": text, "version": text, "hashes": { "type": "array", "minItems": 1, "items": hash } }),
        &["name", "version", "hashes"],
    );
    let targets = json!({ "type": "object", "propertyNames": { "pattern": "^3\\.[0-9]+ (x86_64|aarch64) (glibc|musl)$" }, "additionalProperties": { "type": "array", "items": package } });
    object(
        &json!({ "inputs": sha256, "targets": targets }),
        &["inputs", "targets"],
    )
}
