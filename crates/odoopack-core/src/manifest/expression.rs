//! Values and containers of a literal.
use super::keys::{self, NoKey};
use super::reader::{Read, Reader};
use super::{Value, number, text};

/// A value, and whether a sign may stand before it: only before a number that has none.
struct Atom {
    value: Value,
    plain: bool,
}

impl Reader<'_> {
    /// One value, with what may stand before and after it.
    pub(super) fn expression(&mut self) -> Read<Value> {
        Ok(self.atom()?.value)
    }

    fn atom(&mut self) -> Read<Atom> {
        let atom = self.signed()?;
        self.skip_blanks()?;
        match self.peek() {
            None | Some(',' | ':' | ']' | ')' | '}' | '\n') => Ok(atom),
            Some('+' | '-') => Err(self.unsupported("arithmetic")),
            Some(_) => Err(self.refuse(format!(
                "{} after a value: a manifest holds values only, nothing that has to be computed",
                self.seen()
            ))),
        }
    }

    fn signed(&mut self) -> Read<Atom> {
        let start = self.at();
        let minus = self.take("-");
        if !minus && !self.take("+") {
            return self.unsigned();
        }
        self.skip_blanks()?;
        let operand = self.unsigned()?;
        let value = operand.value.negated_if(minus).filter(|_| operand.plain);
        let value = value.ok_or_else(|| self.refuse_at(start, "a sign that stands before no number"))?;
        Ok(Atom { value, plain: false })
    }

    fn unsigned(&mut self) -> Read<Atom> {
        let plain = |value| Ok(Atom { value, plain: true });
        match self.peek() {
            Some('(') => self.parentheses(),
            Some('[') => {
                let items = self.items('[', ']')?;
                plain(Value::List(items))
            }
            Some('{') => plain(self.braces()?),
            Some('0'..='9' | '.') => plain(number::read(self)?),
            Some('"' | '\'') => plain(text::read(self)?),
            Some(first) if first == '_' || first.is_alphanumeric() => plain(self.word()?),
            None => Err(self.refuse("the text ends where a value is expected")),
            Some(_) => Err(self.refuse(format!("{} where a value is expected", self.seen()))),
        }
    }

    /// A word: a constant, or what stands before the quote of a string.
    fn word(&mut self) -> Read<Value> {
        let rest = self.rest();
        let end = rest
            .find(|letter: char| letter != '_' && !letter.is_alphanumeric())
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if rest[end..].starts_with(['"', '\'']) {
            return text::read(self);
        }
        let value = match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::None,
            "set" => return self.empty_set(),
            _ if !word.is_ascii() => return Err(self.unsupported(format!("the name `{word}`"))),
            _ => {
                return Err(self.refuse(format!(
                    "`{word}` is a name: a manifest holds values only, no names and no calls"
                )));
            }
        };
        self.move_to(self.at() + end);
        Ok(value)
    }

    /// `set()`, the only call that is a literal.
    fn empty_set(&mut self) -> Read<Value> {
        let start = self.at();
        self.take("set");
        self.skip_blanks()?;
        if self.rest().starts_with('(') && self.items('(', ')')?.is_empty() {
            return Ok(Value::Set(Vec::new()));
        }
        Err(self.refuse_at(
            start,
            "`set` is a name: a manifest holds values only, no names and no calls",
        ))
    }

    /// A value in parentheses, or a tuple.
    fn parentheses(&mut self) -> Read<Atom> {
        self.take("(");
        self.enter()?;
        self.skip_blanks()?;
        if self.close(")") {
            return Ok(Atom {
                value: Value::Tuple(Vec::new()),
                plain: true,
            });
        }
        let first = self.atom()?;
        if self.close(")") {
            return Ok(first);
        }
        let mut items = vec![first.value];
        self.more(&mut items, ")", Self::expression)?;
        Ok(Atom {
            value: Value::Tuple(items),
            plain: true,
        })
    }

    fn items(&mut self, open: char, close: char) -> Read<Vec<Value>> {
        self.take(open.encode_utf8(&mut [0; 4]));
        self.enter()?;
        self.skip_blanks()?;
        let (mut items, mut buffer) = (Vec::new(), [0; 4]);
        let close: &str = close.encode_utf8(&mut buffer);
        if !self.close(close) {
            items.push(self.expression()?);
            self.more(&mut items, close, Self::expression)?;
        }
        Ok(items)
    }

    /// A dict or a set.
    fn braces(&mut self) -> Read<Value> {
        self.take("{");
        self.enter()?;
        self.skip_blanks()?;
        if self.close("}") {
            return Ok(Value::Dict(Vec::new()));
        }
        let first = self.key()?;
        if !self.rest().starts_with(':') {
            let mut items = vec![first];
            self.more(&mut items, "}", Self::key)?;
            return Ok(Value::set(items));
        }
        let mut pairs = vec![(first, self.after_colon()?)];
        self.more(&mut pairs, "}", |reader| {
            let key = reader.key()?;
            Ok((key, reader.after_colon()?))
        })?;
        Ok(Value::dict(pairs))
    }

    /// A value that may be a key.
    fn key(&mut self) -> Read<Value> {
        let start = self.at();
        let value = self.expression()?;
        match keys::check(&value) {
            Ok(()) => Ok(value),
            Err(NoKey::Unhashable) => {
                Err(self.refuse_at(start, format!("a {} cannot be a key", value.kind())))
            }
            Err(NoKey::Float) => {
                self.move_to(start);
                Err(self.unsupported("a number with a point as a key"))
            }
        }
    }

    fn after_colon(&mut self) -> Read<Value> {
        if !self.take(":") {
            return Err(self.refuse("a key without a `:` and a value"));
        }
        self.skip_blanks()?;
        self.expression()
    }

    /// Further items up to the closing bracket, which may follow a last comma.
    fn more<T>(&mut self, items: &mut Vec<T>, close: &str, one: impl Fn(&mut Self) -> Read<T>) -> Read<()> {
        loop {
            if self.close(close) {
                return Ok(());
            }
            if !self.take(",") {
                return Err(self.refuse(format!("{} where `,` or `{close}` is expected", self.seen())));
            }
            self.skip_blanks()?;
            if self.close(close) {
                return Ok(());
            }
            items.push(one(self)?);
        }
    }

    fn close(&mut self, bracket: &str) -> bool {
        let closed = self.take(bracket);
        if closed {
            self.leave();
        }
        closed
    }

    /// What stands here, for a message.
    fn seen(&self) -> String {
        match self.peek() {
            None => "the end of the text".to_owned(),
            Some('\n') => "the end of the line".to_owned(),
            Some(letter) => format!("`{}`", letter.escape_debug()),
        }
    }
}
