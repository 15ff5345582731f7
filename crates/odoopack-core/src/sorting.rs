//! How a database sorts texts and what it takes for letters, which nobody can change once it is made.
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::render::sql::literal;

/// First major that names who sorts.
const PROVIDERS: u16 = 15;

/// The collation of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorting {
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// Who sorts in the place of the C library.
    pub provider: Option<Provider>,
}

/// Who sorts, where that is not the C library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// `icu` or `builtin`.
    pub name: String,
    /// By which language.
    pub locale: String,
    /// And by which rules besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
}

impl Sorting {
    /// As Odoo makes its own databases.
    ///
    /// # Source
    /// Odoo 17.0 to 19.0, `odoo/service/db.py` `_create_empty_database`.
    pub fn of_odoo() -> Self {
        Self {
            collate: "C".to_owned(),
            ctype: "C.UTF-8".to_owned(),
            provider: None,
        }
    }

    /// What follows `ENCODING` in `CREATE DATABASE` on a server of this major.
    ///
    /// # Source
    /// `CREATE DATABASE` of PostgreSQL 13 to 18: `LOCALE_PROVIDER` and `ICU_LOCALE` came with 15, `ICU_RULES` with 16,
    /// `BUILTIN_LOCALE` with 17. Without the first the template's sorts, which another may have made.
    pub fn clause(&self, major: u16) -> String {
        let mut clause = String::new();
        if let Some(provider) = &self.provider {
            let locale = literal(&provider.locale);
            clause += &match provider.name.as_str() {
                "icu" => format!(" LOCALE_PROVIDER icu ICU_LOCALE {locale}"),
                _ => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}"),
            };
            if let Some(rules) = &provider.rules {
                clause += &format!(" ICU_RULES {}", literal(rules));
            }
        } else if major >= PROVIDERS {
            clause += " LOCALE_PROVIDER libc";
        }
        clause
            + &format!(
                " LC_COLLATE {} LC_CTYPE {}",
                literal(&self.collate),
                literal(&self.ctype)
            )
    }
}

impl fmt::Display for Sorting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{} of {}", provider.locale, provider.name),
            None if self.collate == self.ctype => f.write_str(&self.collate),
            None => write!(f, "{} with the letters of {}", self.collate, self.ctype),
        }
    }
}

/// Makes something that sorts as `like`, else, where that is refused, as Odoo's own; returns why it was refused.
///
/// # Errors
/// Of the second try, or of the only one.
pub fn as_like_or_own<E>(
    like: Option<&Sorting>,
    mut make: impl FnMut(&Sorting) -> Result<(), E>,
) -> Result<Option<E>, E> {
    let own = Sorting::of_odoo();
    let Some(like) = like.filter(|like| **like != own) else {
        return make(&own).map(|()| None);
    };
    match make(like) {
        Ok(()) => Ok(None),
        Err(why) => make(&own).map(|()| Some(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(name: &str, locale: &str, rules: Option<&str>) -> Sorting {
        Sorting {
            provider: Some(Provider {
                name: name.to_owned(),
                locale: locale.to_owned(),
                rules: rules.map(str::to_owned),
            }),
            ..Sorting::of_odoo()
        }
    }

    fn of_library(collate: &str, ctype: &str) -> Sorting {
        Sorting {
            collate: collate.to_owned(),
            ctype: ctype.to_owned(),
            provider: None,
        }
    }

    #[test]
    fn each_says_how_it_sorts() {
        let own = " LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'";
        for (sorting, major, clause, told) in [
            (
                Sorting::of_odoo(),
                14,
                own.to_owned(),
                "C with the letters of C.UTF-8",
            ),
            (
                of_library("en_US.utf8", "en_US.utf8"),
                15,
                " LOCALE_PROVIDER libc LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8'".to_owned(),
                "en_US.utf8",
            ),
            (
                sorted("icu", "de-DE", None),
                15,
                format!(" LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'{own}"),
                "de-DE of icu",
            ),
            (
                sorted("icu", "de-DE", Some("&a < 'g'")),
                16,
                format!(" LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' ICU_RULES '&a < ''g'''{own}"),
                "de-DE of icu",
            ),
            (
                sorted("builtin", "C.UTF-8", None),
                17,
                format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'{own}"),
                "C.UTF-8 of builtin",
            ),
        ] {
            assert_eq!(sorting.clause(major), clause);
            assert_eq!(sorting.to_string(), told);
        }
    }

    #[test]
    fn what_a_server_does_not_have_is_made_as_odoo_does() {
        let tried = |like: Option<&Sorting>, refuses: &[&str]| {
            let mut all = Vec::new();
            let outcome = as_like_or_own(like, |sorting| {
                all.push(sorting.collate.clone());
                let refused = refuses.contains(&sorting.collate.as_str());
                if refused {
                    Err(sorting.collate.clone())
                } else {
                    Ok(())
                }
            });
            (all.join(" "), outcome)
        };
        let (own, other) = (Sorting::of_odoo(), of_library("de_DE.utf8", "de_DE.utf8"));
        let refused = || "de_DE.utf8".to_owned();
        assert_eq!(tried(None, &[]), ("C".to_owned(), Ok(None)));
        assert_eq!(tried(Some(&own), &["C"]), ("C".to_owned(), Err("C".to_owned())));
        assert_eq!(tried(Some(&other), &[]), (refused(), Ok(None)));
        assert_eq!(
            tried(Some(&other), &["de_DE.utf8"]),
            ("de_DE.utf8 C".to_owned(), Ok(Some(refused())))
        );
        assert_eq!(
            tried(Some(&other), &["de_DE.utf8", "C"]),
            ("de_DE.utf8 C".to_owned(), Err("C".to_owned()))
        );
    }
}
