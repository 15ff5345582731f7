//! `oca list`, `oca outdated`, `oca log`: what is there, and what an update would bring.
use odoopack_core::oca_lock::Locked;

use crate::context::{self, Context, Pack};
use crate::failure::{Failure, Result};
use crate::lockfile;
use crate::oca::{self, Ahead, Moved, Workshop};

pub(super) fn list(cx: &Context, pack: &Pack) -> Result<()> {
    let lock = oca::file::read(&pack.directory)?;
    let groups = &pack.loaded.spec.addons.groups;
    let mut all: Vec<_> = pack.loaded.spec.addons.repositories.iter().collect();
    let order = |group: Option<&String>| group.and_then(|name| groups.get(name)).map(|group| group.order);
    all.sort_by_key(|(name, wanted)| {
        (
            order(wanted.group.as_ref()),
            wanted.group.clone(),
            (*name).clone(),
        )
    });
    let mut rows = Vec::new();
    for (name, wanted) in all {
        let locked = lock.as_ref().and_then(|lock| lock.repositories.get(name));
        let commit = locked.map_or("not locked", |locked| &locked.commit[..12]);
        let modules = match locked.map_or(wanted.modules.len(), |locked| locked.modules.len()) {
            0 => "all".to_owned(),
            count => count.to_string(),
        };
        let merges = match wanted.merges.len() {
            0 => String::new(),
            count => format!(", {count} merged"),
        };
        let group = wanted
            .group
            .as_deref()
            .map_or_else(String::new, |group| format!("  [{group}]"));
        cx.ui.result(&format!(
            "{name:<28} {commit:<12}  {modules:>3} modules{merges}  {}{group}",
            wanted.url
        ));
        rows.push(serde_json::json!({ "name": name, "wanted": wanted, "locked": locked }));
    }
    if rows.is_empty() {
        cx.ui
            .result("the file has no repositories; `odoopack oca add project` adds one");
    }
    cx.ui.json(&serde_json::json!(rows));
    Ok(())
}

pub(super) fn outdated(cx: &Context, pack: &Pack) -> Result<()> {
    let lock = super::locked(pack)?;
    let all = lockfile::chosen(&lock, &[])?;
    let cache = context::cache();
    let workshop = Workshop::new(&pack.loaded.spec, &pack.layout, &pack.directory, &cache)?;
    let progress = cx.ui.step("ask for the branches");
    let ahead = match oca::ahead_all(&workshop, &all, &progress) {
        Ok(ahead) => ahead,
        Err(failure) => {
            progress.failed();
            return Err(failure);
        }
    };
    progress.done();
    let mut rows = Vec::new();
    for ((name, locked), ahead) in all.iter().zip(&ahead) {
        if !ahead.is_any(locked) {
            continue;
        }
        if ahead.head != locked.commit {
            cx.ui.result(&format!(
                "{name:<28} {} -> {}  {}",
                &locked.commit[..12],
                &ahead.head[..12],
                distance(ahead)
            ));
        }
        for moved in &ahead.merges {
            cx.ui.result(&format!("{name:<28} {}", elsewhere(moved)));
        }
        rows.push(serde_json::json!({
            "name": name, "locked": locked.commit, "head": ahead.head, "commits": ahead.count, "merges": ahead.merges,
        }));
    }
    if rows.is_empty() {
        cx.ui
            .result("every repository is at the newest commit of its branch, and of what is merged");
    }
    cx.ui.json(&serde_json::json!(rows));
    Ok(())
}

fn elsewhere(moved: &Moved) -> String {
    let from = &moved.from[..12];
    match &moved.to {
        Some(to) => format!("{from} -> {}  {}, which is merged", &to[..12], moved.reference),
        None => format!("{from} stays  {}, which is merged, is gone", moved.reference),
    }
}

fn distance(ahead: &Ahead) -> String {
    match ahead.count {
        Some(1) => "1 commit".to_owned(),
        Some(count) => format!("{count} commits"),
        None => "the branch was rewritten".to_owned(),
    }
}

pub(super) fn log(cx: &Context, pack: &Pack, name: &str) -> Result<()> {
    let lock = super::locked(pack)?;
    let chosen = lockfile::chosen(&lock, &[name.to_owned()])?;
    let (_, locked) = *chosen
        .first()
        .ok_or_else(|| Failure::failed("nothing was chosen"))?;
    let cache = context::cache();
    let workshop = Workshop::new(&pack.loaded.spec, &pack.layout, &pack.directory, &cache)?;
    let progress = cx.ui.step("fetch what is new");
    let ahead = match oca::log(&workshop, locked, lock.series) {
        Ok(ahead) => ahead,
        Err(failure) => {
            progress.failed();
            return Err(failure);
        }
    };
    progress.done();
    cx.ui
        .json(&serde_json::json!({ "name": name, "locked": locked.commit, "ahead": ahead }));
    show(cx, name, locked, &ahead);
    Ok(())
}

fn show(cx: &Context, name: &str, locked: &Locked, ahead: &Ahead) {
    for moved in &ahead.merges {
        cx.ui.result(&format!("{name}: {}", elsewhere(moved)));
    }
    if ahead.head == locked.commit {
        cx.ui
            .result(&format!("{name} is at the newest commit of `{}`", locked.branch));
        return;
    }
    cx.ui.result(&format!(
        "{name}: {} -> {}, {}",
        &locked.commit[..12],
        &ahead.head[..12],
        distance(ahead)
    ));
    for commit in &ahead.commits {
        cx.ui.result(&format!(
            "  {} {} {}",
            &commit.id[..12],
            commit.date,
            commit.subject
        ));
    }
    for module in &ahead.added {
        cx.ui.result(&format!("  + {module}"));
    }
    for module in &ahead.removed {
        let mark = if locked.modules.contains_key(module) {
            " (the lock takes it)"
        } else {
            ""
        };
        cx.ui.result(&format!("  - {module}{mark}"));
    }
    for changed in &ahead.changed {
        let scripts = match changed.migrations.as_slice() {
            [] => String::new(),
            list => format!(", migrations {}", list.join(", ")),
        };
        let mark = if changed.selected { "" } else { " (not taken)" };
        cx.ui.result(&format!(
            "  {} {} -> {}{scripts}{mark}",
            changed.module, changed.from, changed.to
        ));
    }
}
