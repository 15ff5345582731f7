//! Checks of the repositories of modules against each other and their hosts.
use crate::foreign::address;
use crate::spec::load::Report;
use crate::spec::written::quoted;
use crate::spec::{Repository, SecretRef, Spec};

pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    if !spec.addons.repositories.is_empty() && spec.addons.oca.is_none() && report.sound("addons.oca") {
        let hint = "write `oca = \"addons/external/oca\"` in [addons]";
        report.refuse(
            "addons.repositories",
            "there is no directory for repositories",
            hint,
        );
    }
    for (name, host) in &spec.addons.hosts {
        if matches!(host.key, Some(SecretRef::Command(_))) {
            let at = format!("addons.hosts.{}.key", quoted(name));
            let hint =
                "store the key: `odoopack secret set DEPLOY_KEY < FILE`, and write `secret:DEPLOY_KEY`";
            report.refuse(&at, "a key has several lines, a command gives one", hint);
        }
    }
    for (name, repository) in &spec.addons.repositories {
        let at = |key: &str| format!("addons.repositories.{}.{key}", quoted(name));
        group(spec, repository, &at("group"), report);
        protected(spec, &repository.url, &at("url"), report);
        for merge in &repository.merges {
            if let Some(url) = &merge.url {
                protected(spec, url, &at("merges"), report);
            }
        }
    }
}

fn group(spec: &Spec, repository: &Repository, at: &str, report: &mut Report<'_>) {
    if let Some(group) = &repository.group
        && !spec.addons.groups.contains_key(group)
    {
        let hint = format!("write `[addons.groups.{group}]`, or remove the line");
        report.refuse(at, format!("there is no group `{group}`"), hint);
    }
}

/// `git://` and `http://` only where the file says that it does not matter.
fn protected(spec: &Spec, url: &str, at: &str, report: &mut Report<'_>) {
    let Some(host) = address::unprotected(url) else {
        return;
    };
    if spec.addons.hosts.get(host).is_some_and(|host| host.insecure) {
        return;
    }
    let hint = format!(
        "use https or ssh, or write `insecure = true` in `[addons.hosts.{}]`",
        quoted(host)
    );
    report.refuse(at, format!("`{url}` can be read and changed on the way"), hint);
}
