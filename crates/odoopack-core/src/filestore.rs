//! Names of attachments: which of them lie in the filestore, and which places of a filestore are theirs.
use std::collections::BTreeSet;

/// Where Odoo lists what it may have to collect (`ir_attachment.py`, `_mark_for_gc`).
pub const CHECKLIST: &str = "checklist";

/// What a database names, by where its content lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Places below the filestore.
    pub here: BTreeSet<String>,
    /// How many a module keeps in a storage of its own.
    pub elsewhere: usize,
}

impl Named {
    /// Sorts the different names of a database.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        let (elsewhere, here): (BTreeSet<String>, BTreeSet<String>) =
            names.into_iter().partition(|name| is_elsewhere(name));
        Self {
            here,
            elsewhere: elsewhere.len(),
        }
    }

    /// Adds a name that was not there yet.
    pub fn add(&mut self, name: String) {
        if is_elsewhere(&name) {
            self.elsewhere += 1;
        } else {
            self.here.insert(name);
        }
    }

    /// Places that are not among those `present`, in order.
    pub fn missing(&self, present: &BTreeSet<String>) -> Vec<String> {
        self.here.difference(present).cloned().collect()
    }
}

/// Whether a module keeps the content in a storage of its own, which is no place in the filestore.
///
/// # Source
/// OCA/storage 16.0 to 18.0, `fs_attachment`: `store_fname` is `<code of the storage>://<path>`; `attachment_s3` of
/// camptocamp/odoo-cloud-platform: `s3://<bucket>/<sha1>`.
pub fn is_elsewhere(name: &str) -> bool {
    name.contains("://")
}

/// Whether a place below a filestore is one that Odoo gives: two hex digits or three, then the whole SHA-1 that begins with them.
///
/// # Source
/// Odoo 17.0 to 19.0, `ir_attachment.py` `_get_path`: `sha[:2] + '/' + sha`. Up to 8.0 there were three digits; every series reads the place
/// that the row names, so a database that began there keeps them.
pub fn is_attachment(place: &str) -> bool {
    place.split_once('/').is_some_and(|(first, name)| {
        is_directory(first) && name.len() == 40 && name.starts_with(first) && is_hex(name)
    })
}

/// Whether a directory of a filestore has a name that Odoo gives.
pub fn is_directory(name: &str) -> bool {
    matches!(name.len(), 2 | 3) && is_hex(name)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "ab0123456789abcdef0123456789abcdef012345";

    #[test]
    fn places_of_every_series_are_known_and_nothing_else() {
        for (place, is) in [
            (format!("ab/{SHA}"), true),
            (format!("ab0/{SHA}"), true),
            (format!("a/{SHA}"), false),
            (format!("ab01/{SHA}"), false),
            (format!("cd/{SHA}"), false),
            (format!("abc/{SHA}"), false),
            (format!("ab/{}", &SHA[..39]), false),
            (format!("AB/{}", SHA.to_uppercase()), false),
            (SHA.to_owned(), false),
            (format!("../{SHA}"), false),
        ] {
            assert_eq!(is_attachment(&place), is, "{place}");
        }
    }

    #[test]
    fn what_a_module_keeps_elsewhere_is_not_missing_here() {
        let all = ["ab/abc", "s3://bucket/abc", "odoofs://ab/abc", "cd/cde", "cd/cde"];
        let named = Named::of(all.map(str::to_owned));
        assert_eq!((named.here.len(), named.elsewhere), (2, 2));
        let present = BTreeSet::from(["ab/abc".to_owned()]);
        assert_eq!(named.missing(&present), ["cd/cde"]);
    }
}
