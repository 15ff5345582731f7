//! The form of texts.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Shape, Wrong, domain, path, wrong};
use crate::backup::retention::Within;
use crate::name::Name;
use crate::schedule::{When, Zone};
use crate::spec::suggest;
use crate::spec::values::is_variable;
use crate::spec::{BucketAddress, HostPort, SecretRef, ServerUrl, Value};
use crate::units::{Bytes, Seconds};

/// Whether `text` may stand where `shape` is wanted.
pub(super) fn check(shape: Shape, text: &str) -> Result<(), Wrong> {
    everywhere(shape, text)?;
    let good = match shape {
        Shape::Domain => return domain::check(text),
        Shape::Absolute => return path::absolute(text),
        Shape::Path => return path::any(text),
        Shape::GitUrl => return path::git_url(text),
        Shape::RepositoryUrl => return path::repository_url(text),
        Shape::Merge => return merge(text),
        Shape::Deb => return path::deb(text),
        Shape::Word(words) => return word(text, words),
        Shape::Zone => return zone(text),
        Shape::Name => return name(text),
        Shape::Bytes => return bytes(text),
        Shape::Database => return database(text),
        Shape::Secret => return secret(text.parse::<SecretRef>().is_ok(), text),
        Shape::ServerUrl => return server_url(text),
        Shape::EnvValue => return secret(text.parse::<Value>().is_ok(), text),
        // It becomes one word of a line of apt's sources.
        Shape::Archive => ["http://", "https://"].iter().any(|scheme| {
            let rest = text.strip_prefix(scheme).unwrap_or_default();
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && c != '@')
        }),
        Shape::Bucket => text.parse::<BucketAddress>().is_ok(),
        Shape::When => text.parse::<When>().is_ok(),
        Shape::Duration => text.parse::<Seconds>().is_ok(),
        Shape::Within => text.parse::<Within>().is_ok(),
        Shape::Email => is_email(text),
        Shape::Image => is_image(text),
        Shape::Repository => is_repository(text),
        Shape::Branch => is_reference(text),
        Shape::Host => is_host(text),
        Shape::HostKey => is_host_key(text),
        Shape::Language => is_language(text),
        Shape::Module => only(text, |b| b.is_ascii_alphanumeric() || b == b'_'),
        Shape::Pattern => only(text, |b| b.is_ascii_alphanumeric() || b"_*".contains(&b)),
        Shape::Option => only(text, |b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'
        }),
        Shape::Setting => only(text, |b| b.is_ascii_alphanumeric() || b"_.".contains(&b)),
        Shape::Variable => is_variable(text),
        Shape::Python => is_python(text),
        Shape::HostPort => text.parse::<HostPort>().is_ok(),
        Shape::Address => is_address(text),
        Shape::Suite => only(text, |b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
        }),
        Shape::Hex(digits) => text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()),
        Shape::OdooValue | Shape::PostgresValue | Shape::Line => true,
        Shape::Format | Shape::Port | Shape::Integer { .. } | Shape::Bool | Shape::List(_) => false,
    };
    if good {
        Ok(())
    } else {
        Err(Wrong {
            what: format!("`{text}` is not {}", shape.expects()),
            hint: None,
        })
    }
}

/// What holds for every text of the file.
fn everywhere(shape: Shape, text: &str) -> Result<(), Wrong> {
    let free = matches!(shape, Shape::OdooValue | Shape::PostgresValue | Shape::EnvValue);
    if text.chars().any(char::is_control) {
        let hint = "write it on one line without tabs: it ends up in configuration files";
        return Err(wrong("contains a control character", hint));
    }
    if text.is_empty() && !free {
        return Err(wrong("is empty", "leave the line out, or write a value"));
    }
    if text.starts_with("secret:") && !matches!(shape, Shape::Secret | Shape::ServerUrl | Shape::EnvValue) {
        let hint = "write the value itself; `mail.credentials` and `[environments.NAME.env]` take secrets";
        return Err(wrong("a secret cannot be used here", hint));
    }
    Ok(())
}

fn word(text: &str, words: &[&str]) -> Result<(), Wrong> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(wrong(
        format!("`{text}` is not one of {}", words.join(", ")),
        suggest::hint(text, words),
    ))
}

fn name(text: &str) -> Result<(), Wrong> {
    match text.parse::<Name>() {
        Ok(_) => Ok(()),
        Err(error) => Err(wrong(error.to_string(), "choose a shorter, plainer name")),
    }
}

fn only(text: &str, inner: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(inner) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// A host name or an IPv4 address.
pub(in crate::spec) fn is_host(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || domain::check(text).is_ok()
}

/// A directory below another one: never hidden, never a way out.
fn is_repository(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    text.len() <= 64 && text.bytes().all(inner) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A name that git takes for a branch or a reference, and for nothing else.
fn is_reference(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
    let part = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.');
    text.bytes().all(inner)
        && text.split('/').all(part)
        && !text.contains("..")
        && text.rsplit_once('.').is_none_or(|(_, end)| end != "lock")
}

fn merge(text: &str) -> Result<(), Wrong> {
    let (url, reference) = text.rsplit_once(' ').map_or((None, text), |(u, r)| (Some(u), r));
    if let Some(url) = url {
        path::repository_url(url)?;
    }
    if is_reference(reference) {
        return Ok(());
    }
    Err(wrong(
        format!("`{text}` is nothing that can be merged"),
        "write `refs/pull/1234/head`, a branch, or `URL BRANCH`",
    ))
}

fn is_host_key(text: &str) -> bool {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let kind = |b: u8| b.is_ascii_alphanumeric() || b"-@.".contains(&b);
    text.split_once(' ').is_some_and(|(name, key)| {
        name.bytes().all(kind) && !name.starts_with('-') && key.len() > 40 && key.bytes().all(base64)
    })
}

fn is_email(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".!#&'*+/=?^_{|}~-".contains(&b);
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && user.bytes().all(plain) && domain::check(host).is_ok()
    })
}

/// `en_US`, `es_419`, `sr@latin`, `eo`.
fn is_language(text: &str) -> bool {
    let (rest, script) = text.split_once('@').map_or((text, "x"), |(a, b)| (a, b));
    let (language, country) = rest.split_once('_').map_or((rest, "XX"), |(a, b)| (a, b));
    let code = (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase());
    let upper = (2..=3).contains(&country.len())
        && country
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    code && upper && !script.is_empty() && script.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_python(text: &str) -> bool {
    let name = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    if text.contains('/') {
        path::absolute(text).is_ok()
    } else {
        only(text, name)
    }
}

fn is_address(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<IpAddr>().is_ok_and(|a| a.is_ipv4()),
    }
}

/// A reference to an image: name, then a tag or a digest, in the characters that Docker allows.
fn is_image(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    text.bytes().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn zone(text: &str) -> Result<(), Wrong> {
    if text.parse::<Zone>().is_ok() {
        return Ok(());
    }
    let names: Vec<&str> = Zone::names().collect();
    Err(wrong(
        format!("`{text}` is no time zone"),
        suggest::nearest(text, names.iter().copied()).map_or_else(
            || "write its name in the IANA database, such as `Europe/Paris`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        ),
    ))
}

fn bytes(text: &str) -> Result<(), Wrong> {
    match text.parse::<Bytes>() {
        Ok(Bytes(0)) => Err(wrong("is nothing", "leave the line out, or write a size")),
        Ok(_) => Ok(()),
        Err(error) => Err(Wrong {
            what: error.to_string(),
            hint: None,
        }),
    }
}

fn database(text: &str) -> Result<(), Wrong> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    if matches!(text, "postgres" | "template0" | "template1") {
        return Err(wrong(
            format!("`{text}` belongs to PostgreSQL itself"),
            "choose another database name",
        ));
    }
    if only(text, inner) && text.len() <= 63 {
        return Ok(());
    }
    let hint = "use at most 63 letters, digits, underscores and hyphens, starting with a letter";
    Err(wrong(format!("`{text}` is no database name"), hint))
}

/// The text itself stays out of the message: it may be a secret in the wrong place.
fn secret(good: bool, text: &str) -> Result<(), Wrong> {
    if good {
        return Ok(());
    }
    let hint = "write `secret:NAME` with capitals, digits and underscores, or `secret:cmd:PROGRAM ARG`, \
                which runs without a shell";
    let what = if text.starts_with("secret:") {
        "malformed secret reference"
    } else {
        "not a secret reference"
    };
    Err(wrong(what, hint))
}

/// A password in the file would be in the repository; neither it nor the text is in the message.
fn server_url(text: &str) -> Result<(), Wrong> {
    if text.starts_with("secret:") {
        return secret(text.parse::<SecretRef>().is_ok(), text);
    }
    match text.parse::<ServerUrl>() {
        Ok(url) if url.password.is_none() => Ok(()),
        Ok(_) => Err(wrong(
            "holds a password, which everybody with this file would have",
            "`odoopack secret set DATABASE_URL < FILE` with the whole URL, and write `url = \"secret:DATABASE_URL\"`",
        )),
        Err(bad) => Err(Wrong {
            what: bad.to_string(),
            hint: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_all(shape: Shape, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(check(shape, text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(check(shape, text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_git_are_nothing_that_git_takes_for_something_else() {
        check_all(
            Shape::Branch,
            &["18.0", "18.0-fix/x", "refs/pull/12/head"],
            &[
                "-x", "a..b", "a/", "/a", "a b", ".x", "a.lock", "x/-y", "HEAD~1", "a@{1}",
            ],
        );
        check_all(
            Shape::Repository,
            &["server-tools", "l10n-italy"],
            &["..", ".git", "a/b", "-x", "", "a.b"],
        );
        check_all(
            Shape::Merge,
            &[
                "refs/pull/12/head",
                "https://github.com/acme/project 18.0-fix",
                "/srv/fork x",
            ],
            &["https://u:p@h/x y", "--upload-pack=x", "ext::sh x", "a b c"],
        );
        check_all(
            Shape::RepositoryUrl,
            &[
                "https://github.com/OCA/web",
                "git://127.0.0.1/web",
                "git@github.com:acme/web.git",
            ],
            &["ext::sh -c x", "https://u:p@h/x", "--x", "ftp://x/y"],
        );
    }

    #[test]
    fn texts_have_their_forms() {
        check_all(
            Shape::Language,
            &["en_US", "es_419", "sr@latin", "eo"],
            &["EN", "en_us", "english", "en_US@"],
        );
        check_all(
            Shape::Email,
            &["erp@example.com"],
            &["erp", "@x", "a b@x", "a@x@y", "a@-x"],
        );
        check_all(
            Shape::Database,
            &["odoo_core", "Odoo-1"],
            &["1a", "postgres", "a.b", "a,b", &"a".repeat(64)],
        );
        check_all(
            Shape::Address,
            &["0.0.0.0", "[::]", "[::1]"],
            &["::1", "localhost", "[1.2.3.4]", "*"],
        );
        check_all(
            Shape::Python,
            &["python3.12", "/usr/bin/python3"],
            &["bin/python", "-c", "python 3"],
        );
        check_all(Shape::Suite, &["sid"], &["Sid", "s/d"]);
        check_all(Shape::Hex(4), &["0aF9"], &["0aF", "0aFg", "0aF90"]);
        check_all(
            Shape::Setting,
            &["work_mem", "auto_explain.log_min_duration"],
            &["", "a b", "1a"],
        );
        check_all(Shape::Bytes, &["512MiB"], &["0B", "512", "512MB"]);
        check_all(
            Shape::EnvValue,
            &["", "a b", "secret:A"],
            &["secret:", "secret:a", "a\nb"],
        );
        check_all(
            Shape::ServerUrl,
            &["secret:A", "postgres://odoo@db.example.com/x"],
            &["secret:a", "postgres://odoo:geheim@db", "db.example.com"],
        );
        check_all(Shape::OdooValue, &["", "a b"], &["secret:A", "a\nb"]);
    }
}
