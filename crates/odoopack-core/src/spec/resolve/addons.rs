//! `[addons]` and its tables.
use crate::spec::keys::join;
use crate::spec::lookup::Values;
use crate::spec::written::quoted;
use crate::spec::{Addons, GitHost, Group, Repository, Series};

/// Where OCA's repositories are.
const OCA: &str = "https://github.com/OCA/";

pub(super) fn addons(values: &Values<'_>, series: Series) -> Addons {
    let repositories = values.words("addons.repositories").into_iter();
    let groups = values.words("addons.groups").into_iter();
    let hosts = values.words("addons.hosts").into_iter();
    Addons {
        own: values.list("addons.own"),
        oca: values.given("addons.oca"),
        requirements: values.list("addons.requirements"),
        repositories: repositories
            .map(|name| (name.clone(), repository(values, &name, series)))
            .collect(),
        groups: groups.map(|name| (name.clone(), group(values, &name))).collect(),
        hosts: hosts.map(|name| (name.clone(), host(values, &name))).collect(),
    }
}

fn repository(values: &Values<'_>, name: &str, series: Series) -> Repository {
    let at = |key: &str| format!("{}.{key}", join("addons.repositories", &quoted(name)));
    let merges = values.list(&at("merges")).into_iter();
    Repository {
        url: values.given(&at("url")).unwrap_or_else(|| format!("{OCA}{name}")),
        branch: values.given(&at("branch")).unwrap_or_else(|| series.to_string()),
        commit: values
            .given::<String>(&at("commit"))
            .map(|t| t.to_ascii_lowercase()),
        modules: values.list(&at("modules")),
        merges: merges.filter_map(|text| text.parse().ok()).collect(),
        group: values.given(&at("group")),
    }
}

fn group(values: &Values<'_>, name: &str) -> Group {
    let at = |key: &str| format!("{}.{key}", join("addons.groups", &quoted(name)));
    Group {
        order: values.value(&at("order"), "addons.groups.*.order"),
        description: values.given(&at("description")),
    }
}

fn host(values: &Values<'_>, name: &str) -> GitHost {
    let at = |key: &str| format!("{}.{key}", join("addons.hosts", &quoted(name)));
    GitHost {
        key: values.given(&at("key")),
        known: values.list(&at("known")),
        insecure: values.value(&at("insecure"), "addons.hosts.*.insecure"),
    }
}
