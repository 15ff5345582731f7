//! Words and assignments as a POSIX shell reads them.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One word of a shell command that stays exactly `text`.
///
/// # Shape
/// Plain words stay as they are; everything else goes between single quotes. `text` holds no NUL.
pub fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r#"'"'"'"#)))
    }
}

/// The file that [`Service::environment_file`](crate::service::Service::environment_file) names: secret variables.
///
/// # Shape
/// One `NAME='value'` per line. A quote inside a value is written `'"'"'`, which the shell (runit) and systemd's
/// `EnvironmentFile=` both read as one quote; the usual `'\''` is not the same for systemd. Values may hold
/// everything but NUL. Mode 0600.
///
/// # Source
/// systemd 252, `src/basic/env-file.c`, `parse_env_file_internal`; POSIX shell, 2.2 "Quoting".
pub fn environment_file(hash: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = super::made_by(hash);
    for (name, value) in variables {
        let value = value.replace('\'', r#"'"'"'"#);
        writeln!(out, "{name}='{value}'").expect("writing to a String cannot fail");
    }
    out
}
