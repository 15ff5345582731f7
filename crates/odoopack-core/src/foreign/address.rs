//! Addresses of git repositories: which host, which name.

/// Host of an address, without user and port; `None` for a path.
pub fn host(url: &str) -> Option<&str> {
    let after_user = |text: &'_ str| -> usize { text.rfind('@').map_or(0, |at| at + 1) };
    if let Some((scheme, rest)) = url.split_once("://") {
        let authority = rest.split('/').next().unwrap_or_default();
        let authority = &authority[after_user(authority)..];
        let end = authority.rfind(':').filter(|_| !authority.ends_with(']'));
        let host = &authority[..end.unwrap_or(authority.len())];
        return (scheme != "file" && !host.is_empty()).then_some(host);
    }
    let (place, _) = url.split_once(':').filter(|(place, _)| !place.contains('/'))?;
    Some(&place[after_user(place)..])
}

/// Host of an address whose way nobody protects (`git://`, `http://`).
pub fn unprotected(url: &str) -> Option<&str> {
    let plain = url.starts_with("git://") || url.starts_with("http://");
    plain.then(|| host(url)).flatten()
}

/// The last part of an address without `.git`: what people call the repository.
pub fn name(url: &str) -> &str {
    let path = url.trim_end_matches('/');
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    last.strip_suffix(".git").unwrap_or(last)
}

/// Whether two addresses lead to the same repository: a `.git`, a slash at the end or capitals in OCA's name make no
/// difference.
pub fn same(one: &str, other: &str) -> bool {
    let plain = |url: &str| {
        let url = url.trim_end_matches('/');
        url.strip_suffix(".git").unwrap_or(url).to_ascii_lowercase()
    };
    plain(one) == plain(other)
}

/// An address without the password or token in it; `None` when it has none.
pub fn without_secret(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    let keep = if scheme.ends_with("http") || scheme.ends_with("https") {
        String::new()
    } else {
        format!("{}@", user.split_once(':')?.0)
    };
    Some(format!("{scheme}://{keep}{}", &rest[user.len() + 1..]))
}

/// A text in which nobody can read what stands before the host of an address.
pub fn blanked(text: &str) -> String {
    let mut all = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c == '/' || c.is_whitespace());
        let authority = &after[..end.unwrap_or(after.len())];
        all += before;
        all += "://";
        rest = after;
        if let Some((user, _)) = authority.rsplit_once('@') {
            all += if user == "git" { "git" } else { "***" };
            rest = &after[user.len()..];
        }
    }
    all + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_host_is_taken_away_or_blanked() {
        for (url, bare, blank) in [
            ("https://tok@h/a/b", Some("https://h/a/b"), "https://***@h/a/b"),
            (
                "https://u:p@h:8443/a",
                Some("https://h:8443/a"),
                "https://***@h:8443/a",
            ),
            ("ssh://u:p@h/a", Some("ssh://u@h/a"), "ssh://***@h/a"),
            ("ssh://git@h/a", None, "ssh://git@h/a"),
            ("git@h:a/b.git", None, "git@h:a/b.git"),
            ("https://h/a@1.0", None, "https://h/a@1.0"),
        ] {
            assert_eq!(without_secret(url).as_deref(), bare, "{url}");
            assert_eq!(blanked(url), blank);
        }
        assert_eq!(
            blanked("-e git+https://t@h/x@18.0 and http://u:p@i"),
            "-e git+https://***@h/x@18.0 and http://***@i"
        );
    }

    #[test]
    fn finds_host_and_name_however_it_is_written() {
        for (url, wanted, called) in [
            ("https://github.com/OCA/web", Some("github.com"), "web"),
            ("https://github.com/OCA/web.git", Some("github.com"), "web"),
            (
                "ssh://git@git.example.com:2222/a/b.git/",
                Some("git.example.com"),
                "b",
            ),
            (
                "git@github.com:acme/l10n-italy.git",
                Some("github.com"),
                "l10n-italy",
            ),
            ("git://127.0.0.1:9418/web", Some("127.0.0.1"), "web"),
            ("file:///srv/git/web.git", None, "web"),
            ("/srv/git/web", None, "web"),
        ] {
            assert_eq!(host(url), wanted, "{url}");
            assert_eq!(name(url), called, "{url}");
        }
        assert!(same(
            "https://github.com/OCA/web.git",
            "https://github.com/oca/web/"
        ));
    }
}
