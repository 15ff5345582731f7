//! Which values may be keys, and which keys are the same one.
use std::collections::HashMap;

use super::Value;

/// A key as Python compares it: `1` and `True` are one key.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    None,
    Int(i128),
    Text(&'a str),
    Bytes(&'a [u8]),
    Tuple(Vec<Self>),
}

/// Why a value is no key here.
pub(super) enum NoKey {
    /// Python refuses it too.
    Unhashable,
    /// Python compares floats with whole numbers of any size; no manifest needs that.
    Float,
}

/// Whether a value may stand before a colon or in a set.
pub(super) fn check(value: &Value) -> Result<(), NoKey> {
    match value {
        Value::List(_) | Value::Set(_) | Value::Dict(_) => Err(NoKey::Unhashable),
        Value::Float(_) => Err(NoKey::Float),
        Value::Tuple(items) => items.iter().try_for_each(check),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => Ok(()),
    }
}

fn key(value: &Value) -> Key<'_> {
    match value {
        Value::Bool(value) => Key::Int(i128::from(*value)),
        Value::Int(value) => Key::Int(*value),
        Value::Text(text) => Key::Text(text),
        Value::Bytes(bytes) => Key::Bytes(bytes),
        Value::Tuple(items) => Key::Tuple(items.iter().map(key).collect()),
        // The rest was refused by `check`.
        Value::None | Value::Float(_) | Value::List(_) | Value::Set(_) | Value::Dict(_) => Key::None,
    }
}

/// Up to so many keys are compared with each other: that is faster than hashing them.
const FEW: usize = 32;

/// For each position the first one that holds an equal key.
fn firsts<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<usize> {
    let keys: Vec<Key<'_>> = values.map(key).collect();
    if keys.len() <= FEW {
        let first = |(index, key)| {
            keys[..index]
                .iter()
                .position(|other| other == key)
                .unwrap_or(index)
        };
        return keys.iter().enumerate().map(first).collect();
    }
    let mut seen = HashMap::new();
    let first = |(index, key)| *seen.entry(key).or_insert(index);
    keys.into_iter().enumerate().map(first).collect()
}

pub(super) fn unique(items: Vec<Value>) -> Vec<Value> {
    let firsts = firsts(items.iter());
    let kept = items
        .into_iter()
        .enumerate()
        .filter(|(index, _)| firsts[*index] == *index);
    kept.map(|(_, item)| item).collect()
}

pub(super) fn last_wins(pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let firsts = firsts(pairs.iter().map(|(key, _)| key));
    let mut all: Vec<Option<(Value, Value)>> = Vec::with_capacity(pairs.len());
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        match all.get_mut(firsts[index]) {
            Some(Some(first)) => {
                first.1 = value;
                all.push(None);
            }
            Some(None) | None => all.push(Some((key, value))),
        }
    }
    all.into_iter().flatten().collect()
}
