//! A Python value that a manifest can hold.
use super::keys;

/// What a literal of Python stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a point or an exponent.
    Float(f64),
    /// `str`
    Text(String),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `[...]`
    List(Vec<Self>),
    /// `(...)`
    Tuple(Vec<Self>),
    /// `{a, b}`, each value once, in the order in which they were written.
    Set(Vec<Self>),
    /// `{key: value}`, each key once, in the order in which they were first written.
    Dict(Vec<(Self, Self)>),
}

impl Value {
    /// The value of a text key; `None` when this is no dict or has no such key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else {
            return None;
        };
        let same = |(name, _): &&(Self, Self)| matches!(name, Self::Text(text) if text == key);
        pairs.iter().find(same).map(|(_, value)| value)
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The number with its sign turned when `minus`; `None` for what is no number.
    pub(super) fn negated_if(&self, minus: bool) -> Option<Self> {
        if let Self::Int(number) = self {
            return Some(Self::Int(if minus { -number } else { *number }));
        }
        if let Self::Float(number) = self {
            return Some(Self::Float(if minus { -number } else { *number }));
        }
        None
    }

    /// Whether Python takes it as true.
    pub fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => !items.is_empty(),
            Self::Dict(pairs) => !pairs.is_empty(),
        }
    }

    /// Whether Python can walk over it and it is no text: a list, tuple, set or dict.
    pub fn is_collection(&self) -> bool {
        matches!(
            self,
            Self::List(_) | Self::Tuple(_) | Self::Set(_) | Self::Dict(_)
        )
    }

    /// The items of a list, tuple or set, or the keys of a dict; everything else is given back.
    ///
    /// # Errors
    /// The value itself, when it is no collection.
    pub fn into_items(self) -> Result<Vec<Self>, Self> {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => Ok(items),
            Self::Dict(pairs) => Ok(pairs.into_iter().map(|(key, _)| key).collect()),
            Self::None | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_) | Self::Bytes(_) => {
                Err(self)
            }
        }
    }

    /// The text; everything else is given back.
    ///
    /// # Errors
    /// The value itself, when it is no text.
    pub fn into_text(self) -> Result<String, Self> {
        if let Self::Text(text) = self {
            Ok(text)
        } else {
            Err(self)
        }
    }

    /// Moves the value of a text key out; `None` when this is no dict or has no such key.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        let Self::Dict(pairs) = self else {
            return None;
        };
        let same = |(name, _): &(Self, Self)| matches!(name, Self::Text(text) if text == key);
        let at = pairs.iter().position(same)?;
        Some(pairs.swap_remove(at).1)
    }

    /// What Python calls its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::Dict(_) => "dict",
        }
    }

    /// A set of these, equal ones once.
    pub(super) fn set(items: Vec<Self>) -> Self {
        Self::Set(keys::unique(items))
    }

    /// A dict of these; of equal keys the first is kept, with the last value, as Python does.
    pub(super) fn dict(pairs: Vec<(Self, Self)>) -> Self {
        Self::Dict(keys::last_wins(pairs))
    }
}
