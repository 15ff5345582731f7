//! Who has a module that is not here.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::spec::Series;

/// Who has a module.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "provider", rename_all = "kebab-case")]
pub enum Provider {
    /// Odoo itself, in this series: its code is there once it is fetched.
    Odoo,
    /// Odoo itself, but only in these series.
    OtherSeries {
        /// Oldest first.
        series: Vec<Series>,
    },
    /// Odoo Enterprise, which is not free.
    Enterprise,
    /// A repository of the OCA; `project` stands for `OCA/project`.
    Oca {
        /// Its name.
        repository: String,
    },
    /// Nobody that is known here; the OCA publishes its modules under this name.
    Unknown {
        /// Name of the package that there would be.
        distribution: String,
    },
}

/// Name of the Python package in which the OCA publishes a module.
///
/// # Source
/// The OCA's packages since 15.0, which carry no series in their name.
pub fn distribution(module: &str) -> String {
    format!("odoo-addon-{}", module.replace('_', "-"))
}

/// Who has the module called `name`, as far as is known without a network.
pub fn provider(name: &str, series: Series) -> Provider {
    if let Some(row) = ODOO.get(name) {
        let of = |wanted: char| {
            let series = Series::ALL.into_iter().zip(row.chars());
            let has = series.filter(move |(_, letter)| *letter == wanted);
            has.map(|(series, _)| series).collect::<Vec<_>>()
        };
        let (community, enterprise) = (of('c'), of('e'));
        if community.contains(&series) {
            return Provider::Odoo;
        }
        if enterprise.contains(&series) {
            return Provider::Enterprise;
        }
        if !community.is_empty() && !OCA.contains_key(name) {
            return Provider::OtherSeries { series: community };
        }
    }
    match OCA.get(name) {
        Some(repository) => Provider::Oca {
            repository: (*repository).to_owned(),
        },
        None => Provider::Unknown {
            distribution: distribution(name),
        },
    }
}

impl Provider {
    /// What to do to have `module`.
    pub fn hint(&self, module: &str) -> String {
        let package = distribution(module);
        match self {
            Self::Odoo => format!(
                "`{module}` is part of Odoo: run `odoopack up` to fetch it, or mend the source in [odoo]"
            ),
            Self::OtherSeries { .. } => format!("`{module}` {self}: leave it out"),
            Self::Enterprise => {
                format!("put the Enterprise addons into a directory of [addons] own, or leave `{module}` out")
            }
            Self::Oca { repository } => format!(
                "`odoopack oca add {repository} --modules {module}`, or write `{package}` into a file of [addons] requirements"
            ),
            Self::Unknown { distribution } => format!(
                "if the OCA has it, its package is `{distribution}`: write that into a file of [addons] requirements; else correct the name"
            ),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Odoo => f.write_str("is part of Odoo"),
            Self::OtherSeries { series } => {
                let names: Vec<&str> = series.iter().map(|series| series.as_str()).collect();
                write!(f, "is part of Odoo in {} only", names.join(", "))
            }
            Self::Enterprise => f.write_str("is part of Odoo Enterprise"),
            Self::Oca { repository } => write!(f, "is in OCA/{repository}"),
            Self::Unknown { .. } => f.write_str("is nowhere that is known here"),
        }
    }
}

type Table = BTreeMap<&'static str, &'static str>;

static ODOO: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("known/odoo.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .collect()
});

static OCA: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("known/oca.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let rows = lines.filter_map(|line| line.split_once(": "));
    rows.flat_map(|(repository, names)| names.split(' ').map(move |name| (name, repository)))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_who_has_a_module() {
        let check = |name: &str, series, wanted: &str| {
            assert_eq!(provider(name, series).to_string(), wanted, "{name}");
        };
        check("sale", Series::V18, "is part of Odoo");
        check("base_sparse_field", Series::V18, "is part of Odoo");
        check("account_accountant", Series::V18, "is part of Odoo Enterprise");
        check(
            "account_journal_lock_date",
            Series::V18,
            "is in OCA/account-financial-tools",
        );
        for (name, repository) in [
            ("account_reconcile_oca", "account-reconcile"),
            ("base_rest", "rest-framework"),
            ("base_tier_validation", "server-ux"),
            ("dms", "dms"),
            ("sale_order_type", "sale-workflow"),
            ("server_environment", "server-env"),
            ("web_refresher", "web"),
            ("web_timeline", "web"),
        ] {
            check(name, Series::V18, &format!("is in OCA/{repository}"));
        }
        check("ipai_core", Series::V18, "is nowhere that is known here");
        check("rpc", Series::V18, "is part of Odoo in 19.0 only");
        assert_eq!(distribution("web_responsive"), "odoo-addon-web-responsive");
    }

    #[test]
    fn every_row_of_the_tables_is_read() {
        assert!(ODOO.len() > 1500 && ODOO.values().all(|row| row.len() == 3));
        assert!(OCA.len() > 500 && OCA.values().all(|repository| !repository.is_empty()));
    }
}
