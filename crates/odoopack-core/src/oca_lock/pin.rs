//! What is a pin: a full commit id, and nothing that can mean another thing tomorrow.

/// Something that names no commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of `{name}` is {found}, which is no pin")]
pub struct Unpinned {
    /// Repository, or `odoo`.
    pub name: String,
    /// Which value.
    pub what: &'static str,
    /// What stands there, in words.
    pub found: String,
}

impl Unpinned {
    /// The command that pins it.
    pub fn command(&self) -> String {
        if self.name == "odoo" {
            "odoopack lock --update".to_owned()
        } else {
            format!("odoopack oca update {}", self.name)
        }
    }
}

/// Whether a text is a full commit id (SHA-1 or SHA-256), in lower case.
pub fn is_pinned(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The commit id, when it is one.
///
/// # Errors
/// For nothing at all, `HEAD`, a branch, a tag, and an id that is cut off.
pub fn pinned(name: &str, what: &'static str, found: Option<&str>) -> Result<String, Unpinned> {
    let lower = found.map(str::to_ascii_lowercase);
    if let Some(commit) = lower.filter(|text| is_pinned(text)) {
        return Ok(commit);
    }
    Err(Unpinned {
        name: name.to_owned(),
        what,
        found: described(found),
    })
}

fn described(found: Option<&str>) -> String {
    match found {
        None => "missing".to_owned(),
        Some("") => "empty".to_owned(),
        Some("HEAD") => "`HEAD`".to_owned(),
        Some(text) if text.bytes().all(|b| b.is_ascii_hexdigit()) => format!("`{text}`, an id cut off"),
        Some(text) => format!("`{text}`, a branch or tag"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_id_is_a_pin() {
        let full = "DBFF15B4a07ad5b22dc61de095e2b1bea1b4ad1d";
        assert_eq!(
            pinned("web", "commit", Some(full)).unwrap(),
            full.to_ascii_lowercase()
        );
        for (found, words) in [
            (None, "missing"),
            (Some(""), "empty"),
            (Some("HEAD"), "`HEAD`"),
            (Some("18.0"), "`18.0`, a branch or tag"),
            (Some("dbff15b"), "`dbff15b`, an id cut off"),
        ] {
            let unpinned = pinned("web", "commit", found).unwrap_err();
            assert_eq!(
                unpinned.to_string(),
                format!("commit of `web` is {words}, which is no pin")
            );
            assert_eq!(unpinned.command(), "odoopack oca update web");
        }
    }
}
