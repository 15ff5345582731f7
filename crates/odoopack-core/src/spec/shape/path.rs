//! Paths and URLs.
use super::{Wrong, wrong};

/// Characters that mean nothing special in odoo.conf, nginx, postgresql.conf, unit files and run scripts.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._+@~-".contains(c)
}

/// Whether `text` is a path that can be written into every configuration file without quoting.
pub(super) fn any(text: &str) -> Result<(), Wrong> {
    if let Some(c) = text.chars().find(|c| !is_plain(*c)) {
        let hint = "rename it with ASCII letters, digits and `. _ - + @ ~` only: it ends up in configuration files \
                    that have no common way to quote";
        return Err(wrong(format!("`{text}` contains {}", named(c)), hint));
    }
    if text.split('/').any(|part| part == "." || part == "..") {
        return Err(wrong(
            format!("`{text}` contains `.` or `..`"),
            "write the path without them",
        ));
    }
    if text.starts_with(['~', '-']) {
        return Err(wrong(
            format!("`{text}` starts with `{}`", &text[..1]),
            "write the path in full",
        ));
    }
    Ok(())
}

/// Whether `text` is such a path and absolute.
pub(in crate::spec) fn absolute(text: &str) -> Result<(), Wrong> {
    any(text)?;
    if text.starts_with('/') {
        return Ok(());
    }
    Err(wrong(
        format!("`{text}` is not absolute"),
        "write the whole path from `/` on",
    ))
}

fn named(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_control() => "a control character".to_owned(),
        c if !c.is_ascii() => format!("the non-ASCII character `{c}`"),
        c => format!("`{c}`"),
    }
}

/// Whether git may be asked to clone `text`.
pub(super) fn git_url(text: &str) -> Result<(), Wrong> {
    if text.starts_with('/') {
        return absolute(text);
    }
    credentials(text)?;
    let known = ["https://", "ssh://", "file://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    let scp = text
        .split_once(':')
        .is_some_and(|(host, path)| host.contains('@') && !path.starts_with("//"));
    if !(known || scp) || text.starts_with('-') || !is_url(text) {
        let hint = "use an https, ssh or file URL, or an absolute path";
        return Err(wrong(format!("`{text}` is not a clone URL"), hint));
    }
    Ok(())
}

/// Whether it is a clone URL, also one without protection on the way.
pub(super) fn repository_url(text: &str) -> Result<(), Wrong> {
    let plain = ["git://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match plain {
        Some(rest) => git_url(&format!("https://{rest}")),
        None => git_url(text),
    }
}

/// Refuses a password or token inside a URL: git would show it in the list of processes.
fn credentials(text: &str) -> Result<(), Wrong> {
    let authority = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next())
        .unwrap_or("");
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || (text.starts_with("http") && !user.is_empty()) {
        let hint = "use an ssh URL with a deploy key, or a git credential helper";
        return Err(wrong(
            "holds a password or token, which every list of processes would show",
            hint,
        ));
    }
    Ok(())
}

/// Whether `text` is a package file: a path or an https URL.
pub(super) fn deb(text: &str) -> Result<(), Wrong> {
    credentials(text)?;
    if text.starts_with("https://") && is_url(text) {
        return Ok(());
    }
    if text.contains("://") {
        return Err(wrong(
            format!("`{text}` is not an https URL"),
            "use https, or a path",
        ));
    }
    any(text)
}

fn is_url(text: &str) -> bool {
    text.chars().all(|c| is_plain(c) || ":?=&%#,;!*()".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_need_no_quoting_anywhere() {
        for good in ["/opt/odoo-ce", "addons/ipai", "/a/odoo_19.0+dfsg~1_all.deb"] {
            assert_eq!(any(good), Ok(()), "{good}");
        }
        for bad in [
            "/opt/my odoo",
            "/opt/é",
            "/a$b",
            "/a;b",
            "../x",
            "/a/../b",
            "~/x",
            "-x",
            "a,b",
            "/a%b",
            "/a:b",
        ] {
            assert!(any(bad).is_err(), "{bad}");
        }
        assert!(absolute("addons").is_err());
    }

    #[test]
    fn clone_urls_carry_no_passwords() {
        for good in [
            "https://github.com/odoo/odoo.git",
            "ssh://git@host/x",
            "git@github.com:o/r.git",
            "/srv/x",
        ] {
            assert_eq!(git_url(good), Ok(()), "{good}");
        }
        for bad in [
            "http://a/b",
            "git://a/b",
            "-x",
            "a/b",
            "https://me:pw@a/b",
            "https://token@a/b",
            "https://a b",
        ] {
            assert!(git_url(bad).is_err(), "{bad}");
        }
        assert!(deb("http://a/x.deb").is_err() && deb("../x.deb").is_err());
        assert!(deb("debs/x.deb").is_ok() && deb("https://a/x.deb").is_ok());
    }
}
