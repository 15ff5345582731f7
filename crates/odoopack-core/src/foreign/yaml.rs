//! Reads YAML into a tree that remembers its lines.
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: an empty value, `~` or `null`.
    Null,
    /// Text, or a number or truth value as it is written.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in file order.
    Map(Vec<(String, Node)>),
}

/// Why a file is no YAML that is read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// Keys and values of a map, else nothing.
    pub fn entries(&self) -> &[(String, Self)] {
        if let Value::Map(entries) = &self.value {
            entries
        } else {
            &[]
        }
    }

    /// The members of a list, else nothing.
    pub fn members(&self) -> &[Self] {
        if let Value::List(members) = &self.value {
            members
        } else {
            &[]
        }
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }
}

/// More values than any compose file has; ends aliases that multiply.
const MOST: usize = 50_000;
/// Deeper than anybody nests.
const DEEPEST: usize = 64;

/// Reads the first document of a file; `None` when there is none.
///
/// # Shape
/// Aliases are replaced by what they name, `<<` by the entries that are not there already.
///
/// # Errors
/// When it is no YAML, nests or multiplies beyond reason, or a map has a key that is no text.
pub fn read(text: &str) -> Result<Option<Node>, Mistake> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        left: MOST,
    };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(None),
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (event, line) => return reader.node(event, line, 0).map(Some),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    left: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Mistake> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(Mistake {
                line: error.marker().line(),
                what: error.info().to_owned(),
            }),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Mistake> {
        self.spend(1, line)?;
        if depth > DEEPEST {
            return Err(Mistake {
                line,
                what: "nests too deeply".to_owned(),
            });
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(anchor) => return self.alias(anchor, line),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => {
                return Err(Mistake {
                    line,
                    what: "a value is missing".to_owned(),
                });
            }
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Mistake> {
        let mut members = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(members)),
                (event, line) => members.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Mistake> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, line) => self.node(event, line, depth + 1)?,
            };
            let (event, line) = self.next()?;
            let value = self.node(event, line, depth + 1)?;
            match key.value {
                Value::Text(name) if name == "<<" => merged.push(value),
                // A key has the line that people look for, its value may start on the next.
                Value::Text(name) => entries.push((
                    name,
                    Node {
                        line: key.line,
                        ..value
                    },
                )),
                Value::Null => entries.push((String::new(), value)),
                Value::List(_) | Value::Map(_) => {
                    return Err(Mistake {
                        line: key.line,
                        what: "a key is no text".to_owned(),
                    });
                }
            }
        }
        merge(&mut entries, &merged);
        Ok(Value::Map(entries))
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, Mistake> {
        let named = self.anchors.get(&anchor).cloned();
        let named = named.ok_or_else(|| Mistake {
            line,
            what: "an alias that names nothing".to_owned(),
        })?;
        self.spend(count(&named), line)?;
        Ok(Node { line, ..named })
    }

    fn spend(&mut self, nodes: usize, line: usize) -> Result<(), Mistake> {
        let left = self.left.checked_sub(nodes);
        self.left = left.ok_or_else(|| Mistake {
            line,
            what: "has too many values".to_owned(),
        })?;
        Ok(())
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let empty = style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
    if empty {
        Value::Null
    } else {
        Value::Text(text.to_owned())
    }
}

fn count(node: &Node) -> usize {
    let inner = node
        .members()
        .iter()
        .chain(node.entries().iter().map(|(_, node)| node));
    1 + inner.map(count).sum::<usize>()
}

fn merge(entries: &mut Vec<(String, Node)>, merged: &[Node]) {
    let maps = merged.iter().flat_map(|node| {
        if node.members().is_empty() {
            std::slice::from_ref(node)
        } else {
            node.members()
        }
    });
    for (name, node) in maps.flat_map(Node::entries) {
        if !entries.iter().any(|(known, _)| known == name) {
            entries.push((name.clone(), node.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lines_and_resolves_aliases_and_merges() {
        let text = "x: &base\n  restart: always\n  image: a\nservices:\n  one:\n    <<: *base\n    image: \"b\"\n    ports:\n      - 80:80\n    empty:\n";
        let root = read(text).unwrap().unwrap();
        let one = root.get("services").unwrap().get("one").unwrap();
        assert_eq!(
            one.get("image").unwrap(),
            &Node {
                line: 7,
                value: Value::Text("b".to_owned())
            }
        );
        assert_eq!(one.get("restart").unwrap().text(), Some("always"));
        assert_eq!(
            one.get("ports").unwrap().members()[0],
            Node {
                line: 9,
                value: Value::Text("80:80".to_owned())
            }
        );
        assert_eq!(one.get("empty").unwrap().value, Value::Null);
    }

    #[test]
    fn strange_files_are_refused_with_a_line() {
        assert_eq!(read("").unwrap(), None);
        for text in ["a: [1, 2", "a: 'b", "a: *b", "{[1]: 2}", "a:\n\t- b"] {
            assert!(read(text).is_err(), "{text}");
        }
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let row = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb += &["a", &i.to_string(), ": &a", &i.to_string(), " [", &row, "]\n"].concat();
        }
        assert_eq!(read(&bomb).unwrap_err().what, "has too many values");
        assert!(read(&"[".repeat(5_000)).is_err());
    }
}
