//! Tables: literals and what they stand for, and what is refused where.
use super::*;

mod any;

fn value(text: &str) -> Value {
    literal(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn strings_are_read_with_every_prefix_quote_and_escape() {
    let check = |written: &str, wanted: &str| assert_eq!(value(written), text(wanted), "{written}");
    check("'a'", "a");
    check("\"it's\"", "it's");
    check("u'é' U\"b\"", "éb");
    check("r'\\n'", "\\n");
    check("'''a\n'b'\n'''", "a\n'b'\n");
    check("\"\"\"a \\\"\"\" b\"\"\"", "a \"\"\" b");
    check("''", "");
    check("''''''", "");
    check(
        "'\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"'",
        "\u{7}\u{8}\u{c}\n\r\t\u{b}\\'\"",
    );
    check("'\\101\\x41\\u0041\\U00000041\\0\\777'", "AAAA\0\u{1ff}");
    check("'a\\\nb'", "ab");
    check("'\\d\\é'", "\\d\\é");
    check("('a'  # why\n 'b')", "ab");
    check("'a' \\\n 'b'", "ab");
    check("'a\r\nb' ''".replace("\r\n", "\\\r\n").as_str(), "ab");
    assert_eq!(value("b'\\x00a' Rb'\\n'"), Value::Bytes(b"\0a\\n".to_vec()));
}

#[test]
fn numbers_are_read_in_every_base() {
    let check = |written: &str, wanted: i128| assert_eq!(value(written), Value::Int(wanted), "{written}");
    check("1_000", 1000);
    check("0x_ff", 255);
    check("0O17", 15);
    check("0b1_1", 3);
    check("-5", -5);
    check("+ 5", 5);
    check("-(5)", -5);
    check("00_0", 0);
    let check = |written: &str, wanted: f64| assert_eq!(value(written), Value::Float(wanted), "{written}");
    check("1.", 1.0);
    check(".5", 0.5);
    check("1e3", 1000.0);
    check("1_0.2_5E-1", 1.025);
    check("-09.5", -9.5);
}

#[test]
fn containers_are_read_and_of_equal_keys_the_last_wins() {
    assert_eq!(value("1, 2,"), Value::Tuple(vec![Value::Int(1), Value::Int(2)]));
    assert_eq!(value("()"), Value::Tuple(vec![]));
    assert_eq!(value("(1,)"), Value::Tuple(vec![Value::Int(1)]));
    assert_eq!(value("(1)"), Value::Int(1));
    assert_eq!(value("set( )"), Value::Set(vec![]));
    assert_eq!(value("{'b', 'a', 'b',}"), Value::Set(vec![text("b"), text("a")]));
    let pairs = vec![(Value::Int(1), text("c")), (text("b"), Value::None)];
    assert_eq!(value("{1: 'a', 'b': None, True: 'c'}"), Value::Dict(pairs));
    assert_eq!(
        value("# first\n\n  # indented\n[True, False,\n None]  # last\n\n"),
        Value::List(vec![Value::Bool(true), Value::Bool(false), Value::None])
    );
}

#[test]
fn what_is_no_literal_is_refused_with_its_place() {
    let check = |written: &str, wanted: &str| {
        let error = literal(written).expect_err(written);
        assert_eq!(error.to_string(), wanted, "{written:?}");
        assert_eq!(error.fault, Fault::Text, "{written:?}");
    };
    check("", "line 1, column 1: the text ends where a value is expected");
    check(
        "{'a':\n  x}",
        "line 2, column 3: `x` is a name: a manifest holds values only, no names and no calls",
    );
    check("[1,,2]", "line 1, column 4: `,` where a value is expected");
    check(
        "{'a' 1}",
        "line 1, column 6: `1` after a value: a manifest holds values only, nothing that has to be computed",
    );
    check(
        "{'a': 1, 'b'}",
        "line 1, column 13: a key without a `:` and a value",
    );
    check("'a\nb'", "line 1, column 1: a string that does not end");
    check("'''a", "line 1, column 1: a string that does not end");
    check("{[]: 1}", "line 1, column 2: a list cannot be a key");
    check("--1", "line 1, column 2: `-` where a value is expected");
    check("-True", "line 1, column 1: a sign that stands before no number");
    check(
        "010",
        "line 1, column 1: a whole number with a leading 0; octal numbers begin with `0o`",
    );
    check(
        "f'a'",
        "line 1, column 1: an f-string is computed: a manifest holds values only",
    );
    check("'a' b'b'", "line 1, column 1: bytes and text side by side");
    check(
        "'\\x4'",
        "line 1, column 2: an escape with too few hexadecimal digits",
    );
    check(
        "\n {}",
        "line 2, column 2: an indented line, where nothing may be indented",
    );
    check(
        "\x0c  {}",
        "line 1, column 4: an indented line, where nothing may be indented",
    );
    check(
        "{}\n{}",
        "line 2, column 1: the value ends before this: only one value is expected",
    );
    check(
        "\u{feff}{}",
        "line 1, column 1: `\\u{feff}` where a value is expected",
    );
    check("{}\\", "line 1, column 3: a backslash that does not end its line");
    check(
        "[1",
        "line 1, column 3: the end of the text where `,` or `]` is expected",
    );
    check("{**{}}", "line 1, column 2: `*` where a value is expected");
}

#[test]
fn what_python_could_read_and_we_do_not_says_so() {
    for written in [
        "1j",
        "'\\N{BULLET}'",
        "1 + 2j",
        "...",
        "{1.5: 2}",
        "'\\ud800'",
        "9".repeat(60).as_str(),
        "[".repeat(95).as_str(),
    ] {
        let error = literal(written).expect_err(written);
        assert_eq!(error.fault, Fault::Unsupported, "{written}: {error}");
    }
}

#[test]
fn keys_get_the_defaults_of_odoo() {
    let read = |text: &str| parse(text.as_bytes());
    let empty = read("{'name': 'X'}").unwrap();
    assert_eq!(empty.version, "1.0");
    assert!(empty.installable && !empty.application);
    assert_eq!(empty.license(), "LGPL-3");
    assert_eq!(empty.depends("x", Series::V19), ["base"]);
    assert_eq!(empty.depends("base", Series::V19), [""; 0]);
    assert_eq!(empty.depends("x", Series::V18), [""; 0]);
    assert_eq!(empty.triggers("x", Series::V19), None);
    let full = read("{'depends': ('sale', 'stock'), 'auto_install': ['sale'], 'version': 12.0, 'installable': 0, 'countries': ['be'],\n 'external_dependencies': {'python': ['lxml'], 'bin': ['node']}}").unwrap();
    assert_eq!(full.triggers("x", Series::V18), Some(vec!["sale"]));
    assert_eq!((full.version.as_str(), full.installable), ("12.0", false));
    assert_eq!(full.external.python, ["lxml"]);
    assert!(full.countries.contains("BE"));
    let files = files(b"{'data': ['a.xml'], 'assets': {'web.x': ['a.js', ('remove', 'b.js')]}}").unwrap();
    assert_eq!((files.data.len(), files.assets[0].1.len()), (1, 2));
    let always = read("{'auto_install': []}").unwrap();
    assert_eq!(always.triggers("x", Series::V19), Some(vec![]));
    let all = read("{'depends': ['a'], 'auto_install': True}").unwrap();
    assert_eq!(all.triggers("x", Series::V18), Some(vec!["a"]));
}

#[test]
fn a_manifest_that_odoo_cannot_use_says_which_key() {
    let check = |text: &str, wanted: &str| {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), wanted, "{text}");
    };
    check("[]", "a list instead of a dict");
    check(
        "{'depends': 'sale'}",
        "`depends` is of type str, not a list of texts",
    );
    check(
        "{'depends': [1]}",
        "`depends` is of type int, not a text, as every item of it should be",
    );
    check(
        "{'depends': ['a'], 'auto_install': ['b']}",
        "`auto_install` names `b`, which is not in `depends`",
    );
    check(
        "{'auto_install': 'b'}",
        "`auto_install` is of type str, not true, false or a list of dependencies",
    );
    assert_eq!(
        parse(b"{\n'a': '\xff'}").unwrap_err().to_string(),
        "line 2: not UTF-8, which Odoo expects"
    );
}
