//! What may stand in `[odoo.options]`.
use super::{BadValue, Governor, Instead, all, elsewhere, find, fits, governor};
use crate::odoo::Series;

/// Names at least this alike are offered as what was meant (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.88;

/// Why an option may not stand in `[odoo.options]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionMistake {
    /// No series has it.
    #[error("Odoo {series} has no option `{name}`{}", meant(.suggestion.as_deref()))]
    Unknown {
        /// The series asked.
        series: Series,
        /// The name written.
        name: String,
        /// The option that is nearest in spelling.
        suggestion: Option<String>,
    },
    /// Another series has it.
    #[error("Odoo {series} has no option `{name}`, it is one of {others}")]
    OtherSeries {
        /// The series asked.
        series: Series,
        /// The name written.
        name: String,
        /// The series that have it.
        others: String,
    },
    /// Renamed, moved, or never Odoo's.
    #[error("`{name}` is {standing} Odoo {series}: {instead}")]
    Elsewhere {
        /// The series asked.
        series: Series,
        /// The name written.
        name: String,
        /// `no option of` or `an old name in`.
        standing: &'static str,
        /// What to use, as a clause.
        instead: String,
    },
    /// A key of odoopack.toml decides it.
    #[error("`{name}` is decided by `{key}` of odoopack.toml")]
    Governed {
        /// The name written.
        name: String,
        /// The key that decides.
        key: &'static str,
    },
    /// It is always the same.
    #[error("`{name}` cannot be chosen: {reason}")]
    Fixed {
        /// The name written.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The value is of another kind.
    #[error("`{name} = {value}` does not do: the value {why}")]
    Value {
        /// The name written.
        name: String,
        /// The value written.
        value: String,
        /// What is wrong with it.
        why: BadValue,
    },
}

/// Checks one line of `[odoo.options]` for `series`.
///
/// # Errors
/// The first that applies: the name moved, odoopack decides it, the series has no such option, the value is of
/// another kind.
pub fn check(series: Series, name: &str, value: &str) -> Result<(), OptionMistake> {
    if let Some(decided) = decided(series, name) {
        return Err(decided);
    }
    let option = find(series, name).ok_or_else(|| unknown(series, name))?;
    fits(option.kind, value).map_err(|why| {
        let value = if is_secret(name) {
            "***".to_owned()
        } else {
            value.escape_debug().to_string()
        };
        OptionMistake::Value {
            name: name.to_owned(),
            value,
            why,
        }
    })
}

fn decided(series: Series, name: &str) -> Option<OptionMistake> {
    let owned = name.to_owned();
    if let Some(entry) = elsewhere(series, name) {
        let (standing, instead) = (entry.standing(series), clause(entry.instead));
        return Some(OptionMistake::Elsewhere {
            series,
            name: owned,
            standing,
            instead,
        });
    }
    find(series, name)?;
    governor(name).map(|governor| match governor {
        Governor::Key(key) => OptionMistake::Governed { name: owned, key },
        Governor::Fixed(reason) => OptionMistake::Fixed { name: owned, reason },
    })
}

/// What to use instead, as a clause; leads on to odoopack.toml when it decides the new name too.
pub(in crate::odoo) fn clause(instead: Instead) -> String {
    match instead {
        Instead::Option(option) => match governor(option) {
            Some(Governor::Key(key)) => format!("it is `{option}`, which `{key}` of odoopack.toml decides"),
            Some(Governor::Fixed(reason)) => format!("it is `{option}`, which cannot be chosen: {reason}"),
            None => format!("it is `{option}`"),
        },
        Instead::Pack(key) => format!("in odoopack.toml it is {key}"),
        Instead::CommandLine => "it is an argument of the command line, the file has no say".to_owned(),
        Instead::Nothing(reason) => reason.to_owned(),
    }
}

/// Whether the values of the option `name` must not be shown.
pub fn is_secret(name: &str) -> bool {
    ["passw", "token", "secret"]
        .iter()
        .any(|part| name.contains(part))
}

fn unknown(series: Series, name: &str) -> OptionMistake {
    let others: Vec<_> = Series::ALL
        .into_iter()
        .filter(|other| find(*other, name).is_some())
        .collect();
    let name = name.to_owned();
    if others.is_empty() {
        let suggestion = nearest(series, &name).map(ToOwned::to_owned);
        return OptionMistake::Unknown {
            series,
            name,
            suggestion,
        };
    }
    let others = others
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" and ");
    OptionMistake::OtherSeries { series, name, others }
}

/// The option of `series` that is spelled most like `name`.
pub(in crate::odoo) fn nearest(series: Series, name: &str) -> Option<&'static str> {
    let plain = name.to_lowercase().replace('-', "_");
    let scored = all(series).map(|option| (strsim::jaro_winkler(&plain, option.name), option.name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion
        .map(|option| format!(", did you mean `{option}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Series::{V17, V18, V19};

    fn told(series: Series, name: &str, value: &str) -> String {
        check(series, name, value).map_or_else(|mistake| mistake.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn says_what_is_wrong_and_what_to_use() {
        let cases = [
            (V18, "limit_time_real", "600"),
            (V18, "log_handler", ":INFO,odoo.sql_db:DEBUG"),
            (V18, "limit_time_reel", "600"),
            (V18, "Unaccent", "True"),
            (V18, "something_else", "1"),
            (V18, "longpolling_port", "8072"),
            (V17, "longpolling_port", "8072"),
            (V19, "xmlrpc_port", "8069"),
            (V18, "session_store", "redis"),
            (V18, "session_redis_sentinel_host", "x"),
            (V18, "logrotate", "True"),
            (V19, "without_demo", "all"),
            (V18, "with_demo", "True"),
            (V18, "workers", "4"),
            (V18, "list_db", "True"),
            (V17, "limit_memory_soft_gevent", "1"),
            (V17, "skip_auto_install", "True"),
            (V19, "osv_memory_age_limit", "2.0"),
            (V18, "dev_mode", "all"),
            (V18, "unaccent", "yes"),
            (V18, "log_level", "verbose"),
            (V18, "limit_request", "many"),
            (V18, "proxy_access_token", "a\nlist_db = True"),
        ];
        let told: Vec<_> = cases
            .into_iter()
            .map(|(series, name, value)| {
                format!(
                    "{series} {name} = {}\n    {}",
                    value.escape_debug(),
                    told(series, name, value)
                )
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
