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

#[cfg(test)]
mod tests {
    use super::*;

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
