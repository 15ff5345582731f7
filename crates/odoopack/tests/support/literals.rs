//! `CPython` as the oracle for manifests: one process that answers for every text.
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use camino::Utf8Path;
use odoopack_core::manifest::Value;
use serde_json::{Value as Json, json};

/// A Python that reads literals.
pub(crate) struct Oracle {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub(crate) fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/literals.py");
        let mut command = Command::new("python3");
        command.args(["-W", "ignore", script]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let requests = child.stdin.take();
        Self {
            child,
            requests,
            answers,
        }
    }

    /// What Python makes of each of these files.
    pub(crate) fn read(&mut self, texts: &[Vec<u8>]) -> Vec<Json> {
        // Few enough that neither side waits for the other with a full pipe.
        let some = texts.chunks(8);
        some.flat_map(|some| {
            for text in some {
                self.ask(&json!({ "hex": hex(text) }));
            }
            some.iter().map(|_| self.answer()).collect::<Vec<_>>()
        })
        .collect()
    }

    /// The manifests in a wheel: name, content, and what Python makes of it.
    pub(crate) fn wheel(&mut self, path: &Utf8Path) -> Vec<(String, Vec<u8>, Json)> {
        self.ask(&json!({ "wheel": path }));
        let one = |found: &Json| {
            let text = |index: usize| found[index].as_str().unwrap();
            (text(0).to_owned(), unhex(text(1)), found[2].clone())
        };
        self.answer().as_array().unwrap().iter().map(one).collect()
    }

    fn ask(&mut self, request: &Json) {
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{request}").unwrap();
        requests.flush().unwrap();
    }

    fn answer(&mut self) -> Json {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It ends when its input does.
        self.requests = None;
        drop(self.child.wait());
    }
}

/// A value as the oracle writes it.
pub(crate) fn tagged(value: &Value) -> Json {
    let all = |items: &[Value]| items.iter().map(tagged).collect::<Vec<_>>();
    match value {
        Value::None => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!({ "int": value.to_string() }),
        Value::Float(value) => json!({ "float": format!("{:016x}", value.to_bits()) }),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
        Value::List(items) => json!({ "list": all(items) }),
        Value::Tuple(items) => json!({ "tuple": all(items) }),
        Value::Set(items) => json!({ "set": all(items) }),
        Value::Dict(pairs) => {
            let pairs: Vec<Json> = pairs
                .iter()
                .map(|(key, value)| json!([tagged(key), tagged(value)]))
                .collect();
            json!({ "dict": pairs })
        }
    }
}

/// Sets have no order: they are compared sorted.
pub(crate) fn in_order(mut value: Json) -> Json {
    match &mut value {
        Json::Array(items) => items.iter_mut().for_each(|item| *item = in_order(item.take())),
        Json::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                *field = in_order(field.take());
                if name == "set"
                    && let Json::Array(items) = field
                {
                    items.sort_by_key(Json::to_string);
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
    value
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
