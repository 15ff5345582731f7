//! Made-up literals come back as they were written, and no text at all makes reading panic.
use proptest::prelude::*;

use crate::manifest::{Value, literal, parse};

fn any_value() -> impl Strategy<Value = Value> {
    let text = "[a-z 'é\\\\\"\n\r\t{}#0-9\u{1f600}]{0,12}";
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>()
            .prop_filter("its sign must be written", |n| *n != i128::MIN)
            .prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Float),
        text.prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..6);
        let key = prop_oneof![
            "[a-z_]{1,8}".prop_map(Value::Text),
            any::<i16>().prop_map(|n| Value::Int(n.into()))
        ];
        prop_oneof![
            list.clone().prop_map(Value::List),
            list.prop_map(Value::Tuple),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(Value::dict),
            prop::collection::vec(key, 0..6).prop_map(Value::set),
        ]
    })
}

/// Python source of a value; `style` chooses among the ways to write it.
fn write(value: &Value, style: u64) -> String {
    let inner = |item: &Value| write(item, style.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let blank = ["", " ", "\n  ", " # x\n", "\\\n"][usize::try_from(style % 5).unwrap()];
    let comma = [",", ", ", ",\n"][usize::try_from(style / 5 % 3).unwrap()];
    let join = |items: &[Value]| items.iter().map(inner).collect::<Vec<_>>().join(comma);
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) if style.is_multiple_of(3) => {
            let sign = if *number < 0 { "- " } else { "+" };
            format!("{sign}0x{:X}", number.unsigned_abs())
        }
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => write_text(text, style),
        Value::Bytes(bytes) => format!(
            "b'{}'",
            bytes
                .iter()
                .map(|byte| format!("\\x{byte:02x}"))
                .collect::<String>()
        ),
        Value::List(items) => format!("[{blank}{}{blank}]", join(items)),
        Value::Tuple(items) if items.len() == 1 => format!("({},{blank})", inner(&items[0])),
        Value::Tuple(items) => format!("({blank}{}{blank})", join(items)),
        Value::Set(items) if items.is_empty() => "set()".to_owned(),
        Value::Set(items) => format!("{{{blank}{}{blank}}}", join(items)),
        Value::Dict(pairs) => {
            let pair = |(key, value): &(Value, Value)| format!("{}{blank}:{}", inner(key), inner(value));
            format!(
                "{{{blank}{}{blank}}}",
                pairs.iter().map(pair).collect::<Vec<_>>().join(comma)
            )
        }
    }
}

fn write_text(text: &str, style: u64) -> String {
    let escaped = |quote: &str| {
        let plain = text.replace('\\', "\\\\").replace('\r', "\\r");
        match quote {
            "'" | "\"" => plain.replace(quote, &format!("\\{quote}")).replace('\n', "\\n"),
            long => plain.replace(&long[..1], &format!("\\{}", &long[..1])),
        }
    };
    match style % 4 {
        0 => format!("'{}'", escaped("'")),
        1 => format!("u\"{}\"", escaped("\"")),
        2 => format!("'''{}'''", escaped("'''")),
        _ => {
            let all: String = text
                .chars()
                .map(|letter| format!("\\U{:08x}", u32::from(letter)))
                .collect();
            format!("('' \"{all}\")")
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(value in any_value(), style in any::<u64>()) {
        let text = write(&value, style);
        prop_assert_eq!(literal(&text), Ok(value), "{}", text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&bytes));
    }

    #[test]
    fn no_heap_of_words_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        drop(parse(words.concat().as_bytes()));
    }
}

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "'",
    "\"",
    "'''",
    "\\",
    "\n",
    "\r",
    " ",
    "#",
    "-",
    "+",
    "0x",
    "1",
    "_",
    "e",
    ".",
    "j",
    "b",
    "r",
    "u",
    "f",
    "N",
    "\\N{",
    "\\x",
    "\\u12",
    "\\U0001",
    "\\777",
    "None",
    "True",
    "set",
    "*",
    "é",
    "\u{feff}",
    "\0",
    "\x0c",
    "'depends'",
    "=",
];
