//! Host names (RFC 1123).
use std::net::IpAddr;

use super::{Wrong, wrong};

/// Whether `text` is a host name that nginx, certificates and cookies agree on.
///
/// # Source
/// RFC 1123 section 2.1 (letters, digits, hyphens, 63 per label), RFC 1035 section 2.3.4 (253 in all).
pub(super) fn check(text: &str) -> Result<(), Wrong> {
    if text.contains("://") || text.contains('/') {
        return Err(wrong(
            format!("`{text}` is a URL, not a host name"),
            "write the host name alone",
        ));
    }
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(wrong(
            format!("`{text}` is an address, not a host name"),
            "write a host name: certificates and cookies need one",
        ));
    }
    if text.contains(':') {
        let hint = "write the host name alone; ports are `web.http_port` and `web.https_port`";
        return Err(wrong(format!("`{text}` holds a port"), hint));
    }
    letters(text)?;
    labels(text)
}

fn letters(text: &str) -> Result<(), Wrong> {
    if !text.is_ascii() {
        return Err(wrong(
            format!("`{text}` is not ASCII"),
            "write its punycode form (`xn--...`)",
        ));
    }
    if text.starts_with("*.") {
        return Err(wrong(
            format!("`{text}` is a wildcard"),
            "write one host name per environment",
        ));
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        let hint = format!("write `{}`", text.to_ascii_lowercase());
        return Err(wrong(format!("`{text}` has capital letters"), hint));
    }
    Ok(())
}

fn labels(text: &str) -> Result<(), Wrong> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(plain) && !l.starts_with('-') && !l.ends_with('-')
    };
    let numeric = text
        .rsplit('.')
        .next()
        .is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    if text.len() <= 253 && text.split('.').all(label) && !numeric {
        return Ok(());
    }
    let hint = "use letters, digits and hyphens, dots between labels of at most 63 characters";
    Err(wrong(format!("`{text}` is not a host name"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_follow_rfc_1123() {
        for good in [
            "localhost",
            "erp.example.com",
            "xn--bcher-kva.example",
            "3com.com",
            "a-b.c",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("{}.com", "a".repeat(64));
        let bad = [
            "", ".", "a.", "-a.com", "a-.com", "a_b.com", "a b", "http://a", "a/b", "a:80", "10.0.0.1",
        ];
        for bad in bad.into_iter().chain([
            "[::1]",
            "::1",
            "*.a.com",
            "A.com",
            "bücher.de",
            "a..b",
            "1.2",
            &long,
        ]) {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
