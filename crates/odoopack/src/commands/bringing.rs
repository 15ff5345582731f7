//! What `restore` and `backup import` share: where to, with whose consent, and what is said at the end.
pub(crate) mod given;
mod shown;

use odoopack_core::facts::{Seen, ServiceFact};
use odoopack_core::name::Name;
use odoopack_core::restore::{self, Destination, Step, Wanted};
use odoopack_core::spec::{Clusters, Environment, Kind};

use crate::apply::Apply;
use crate::apply::restore::copies::not_of_the_file;
use crate::apply::restore::source::Source;
use crate::apply::restore::{Found, Neutralized, Planned, Restore, is_somebodys_role, there};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind as Code, Result};
use crate::observe::{self, View, mounts};
use crate::store::lock;
use crate::ui::Ui;

/// How.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The name of the production environment that is to be replaced, where nobody can be asked
    #[arg(long, value_name = "ENV")]
    yes_replace: Option<String>,
    /// Let production become a database that was neutralized, whose jobs, mail servers and the like stay off
    #[arg(long)]
    neutralized: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The id of the operation, where it was written down before.
    #[arg(skip)]
    id: Option<String>,
}

impl Options {
    /// The same, as the operation `id`.
    pub(crate) fn with_id(&self, id: &str) -> Self {
        Self {
            id: Some(id.to_owned()),
            ..self.clone()
        }
    }

    /// With the consent that production is replaced by what it was, by the operation `id`.
    pub(crate) fn replacing(name: &str, id: &str) -> Self {
        Self {
            yes_replace: Some(name.to_owned()),
            neutralized: true,
            dry_run: false,
            id: Some(id.to_owned()),
        }
    }
}

/// In the place of an environment, or beside it.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// Put it in the place of this environment's database and attachments, which are kept
    #[arg(long, value_name = "ENV")]
    to: Option<String>,
    /// Put it beside, as a harmless copy under a name that no service uses
    #[arg(long = "as", value_name = "NAME")]
    beside: Option<String>,
}

impl Place {
    /// In the place of an environment.
    pub(crate) fn to(name: &str) -> Self {
        Self {
            to: Some(name.to_owned()),
            beside: None,
        }
    }

    /// Beside.
    pub(crate) fn beside(name: &str) -> Self {
        Self {
            to: None,
            beside: Some(name.to_owned()),
        }
    }
}

/// The id of an operation that begins now.
pub(crate) fn new_id() -> String {
    format!("{:08x}", jiff::Timestamp::now().as_second())
}

/// Everything that was asked for.
struct Target<'a> {
    place: &'a Place,
    only: Option<Part>,
    options: &'a Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The database; attachments stay as they are
    Database,
    /// The attachments; the database stays as it is, and so do the attachments that the backup does not have
    Filestore,
}

/// Looks at a pack of which the server of an environment must be up.
pub(crate) fn look(pack: &Pack, environment: &Name) -> Result<View> {
    let view = observe::look(pack)?;
    let own = pack.loaded.spec.server_of(environment);
    let why = match view.facts.databases(&own) {
        Seen::Present(_) => return Ok(view),
        Seen::Unknown(why) => why.clone(),
        Seen::Absent | Seen::NotYet => "it does not run".to_owned(),
    };
    Err(Failure::refused("the pack's PostgreSQL does not answer")
        .because(why)
        .hint("`odoopack up`"))
}

/// Plans, asks, restores and reports.
pub(crate) fn bring(
    cx: &Context,
    pack: &Pack,
    (source, from): (&Source, &str),
    place: &Place,
    (only, options): (Option<Part>, &Options),
) -> Result<()> {
    let id = options.id.clone().unwrap_or_else(new_id);
    let options = &options.with_id(&id);
    let target = &Target { place, only, options };
    let (_, shown) = judged(pack, (source, from), target)?;
    let name = &shown.environment;
    if !options.dry_run {
        swept(pack)?;
    }
    room(&cx.ui, pack, name, (source, only))?;
    for step in &shown.steps {
        cx.ui.say(&format!("  - {step}"));
    }
    if options.dry_run {
        cx.ui.json(&serde_json::json!({ "plan": shown }));
        return Ok(());
    }
    let (_, environment) = super::environment(pack, name.as_str())?;
    consent(&cx.ui, name, environment.kind, &shown, target)?;
    let (state, why) = (pack.layout.state(), format!("restore of {name}"));
    let _environment = lock::take_environment(&state, name, &why)?;
    let _lock = lock::take(&state, &why)?;
    // Nobody was kept from anything while somebody read the question: `up` may have started what nobody would stop.
    let pack = &cx.load_again()?;
    let (view, planned) = judged(pack, (source, from), target)?;
    let apply = super::up::applier(cx, pack, &view);
    let resumed = crate::apply::restore::take_up(&apply, Some(name))?;
    if !resumed.is_empty() {
        resumed.iter().for_each(|sentence| cx.ui.say(sentence));
        return Err(
            Failure::refused("an earlier restore was put right first; nothing else was done")
                .hint("run the same command again"),
        );
    }
    shown::still(&shown, &planned)?;
    let found = Restore::run(&apply, &planned, source)?;
    report(cx, &planned, &found, target);
    Ok(())
}

/// Looks, refuses what cannot come, and plans the rest.
fn judged(pack: &Pack, (source, from): (&Source, &str), target: &Target<'_>) -> Result<(View, Planned)> {
    let (name, environment) = whose(pack, source, target)?;
    if let Some(beside) = &target.place.beside {
        not_of_the_file(&pack.loaded.spec, beside)?;
    }
    right_series(pack, source)?;
    let view = look(pack, name)?;
    not_newer(pack, &view, name, source)?;
    given::fits(pack, &view, source)?;
    no_attachments(source, target)?;
    let planned = plan(pack, &view, (name, environment), from, target)?;
    Ok((view, planned))
}

/// The environment whose role, user and release are used.
fn whose<'a>(pack: &'a Pack, source: &Source, target: &Target<'_>) -> Result<(&'a Name, &'a Environment)> {
    if let Some(name) = &target.place.to {
        return super::environment(pack, name);
    }
    let all = &pack.loaded.spec.environments;
    // What comes beside an environment comes onto its server.
    let own = match source {
        Source::Snapshot(stored) if pack.loaded.spec.postgres.cluster == Clusters::PerEdition => {
            let taken_of = &stored.manifest().environment;
            all.iter().find(|(name, _)| name.as_str() == taken_of)
        }
        Source::Snapshot(_) | Source::Zip(_) | Source::Folder { .. } | Source::Dump(_) => None,
    };
    if let Some(own) = own {
        return Ok(own);
    }
    let production = all
        .iter()
        .find(|(_, environment)| environment.kind == Kind::Production);
    production
        .or_else(|| all.iter().next())
        .ok_or_else(|| Failure::new(Code::Spec, "the file names no environment"))
}

fn right_series(pack: &Pack, source: &Source) -> Result<()> {
    let ours = pack.loaded.spec.odoo.series.as_str();
    match source.series() {
        Some(series) if series != ours => Err(Failure::refused(format!(
            "the backup is of Odoo {series}, this pack runs {ours}"
        ))
        .hint("restore it into a pack of its own series; an upgrade is a migration")),
        _ => Ok(()),
    }
}

/// An older server cannot read what a newer one has dumped.
pub(crate) fn not_newer(pack: &Pack, view: &View, environment: &Name, source: &Source) -> Result<()> {
    let server = view.facts.server.present().map(|server| server.major);
    let own = view.facts.cluster(&pack.loaded.spec.server_of(environment));
    let ours = server.or_else(|| own.present().map(|cluster| cluster.major));
    match (source.major(), ours) {
        (Some(theirs), Some(ours)) if theirs > ours => Err(Failure::refused(format!(
            "the snapshot is of PostgreSQL {theirs}, this pack's server is {ours}"
        ))
        .hint(format!(
            "restore it into a pack with `version = {theirs}` in `[postgres]`"
        ))),
        _ => Ok(()),
    }
}

fn no_attachments(source: &Source, target: &Target<'_>) -> Result<()> {
    if target.only == Some(Part::Filestore) && !source.has_filestore() {
        return Err(Failure::refused("there are no attachments in this backup"));
    }
    Ok(())
}

fn plan(
    pack: &Pack,
    view: &View,
    (name, environment): (&Name, &Environment),
    from: &str,
    target: &Target<'_>,
) -> Result<Planned> {
    let filestores = pack.layout.environment(name).join("filestore");
    let id = target.options.id.clone().unwrap_or_else(new_id);
    let to = destination(pack, view, (name, environment), &filestores, target)?;
    let filestore = target.only != Some(Part::Database);
    let wanted = Wanted {
        id: id.clone(),
        environment: name.clone(),
        kind: environment.kind,
        role: pack.layout.role(name),
        filestores,
        to,
        database: target.only != Some(Part::Filestore),
        filestore,
        services: services(view, name),
    };
    Ok(Planned {
        id,
        environment: name.clone(),
        server: pack.loaded.spec.server_of(name),
        served: target.place.to.is_some(),
        neutralized: if target.options.neutralized {
            Neutralized::Accepted
        } else {
            Neutralized::Refused
        },
        source: from.to_owned(),
        steps: restore::plan(&wanted),
    })
}

/// What a disk is mounted at cannot be renamed, and in the place of a link the new attachments would lie on another disk, and those that it led to
/// would be forgotten and stay; that is better known before the services stop.
fn can_be_replaced(filestore: &camino::Utf8Path) -> Result<()> {
    if let Ok(target) = filestore.read_link_utf8() {
        let above = filestore.parent().unwrap_or(filestore);
        let target = above.join(target);
        return Err(Failure::refused(format!(
            "`{filestore}` is a link to `{target}`: another filestore could not take its place there"
        ))
        .hint(format!(
            "let `{above}` be the link, or `mount` the disk of the attachments there, with `{}` in it; where there is room for them: `odoopack down`, `rm {filestore}`, `mv {target} {filestore}`, `odoopack up`",
            filestore.file_name().unwrap_or_default()
        )));
    }
    if !mounts::is_one(filestore)? {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "`{filestore}` is where a disk is mounted: another filestore could not take its place"
    ))
    .hint(format!(
        "`mount` that disk one directory above, at `{}`, with `{}` in it",
        filestore.parent().unwrap_or(filestore),
        filestore.file_name().unwrap_or_default()
    )))
}

fn destination(
    pack: &Pack,
    view: &View,
    (name, environment): (&Name, &Environment),
    filestores: &camino::Utf8Path,
    target: &Target<'_>,
) -> Result<Destination> {
    let databases = view.facts.databases(&pack.loaded.spec.server_of(name)).present();
    let known = |name: &str| databases.is_some_and(|all| all.databases.contains_key(name));
    let Some(beside) = &target.place.beside else {
        let database = environment.database.clone();
        let filestore = filestores.join(&database);
        if target.only != Some(Part::Database) {
            can_be_replaced(&filestore)?;
        }
        return Ok(Destination::Environment {
            database_exists: known(&database),
            filestore_exists: there(&filestore)?,
            database,
        });
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let good = beside.len() > 1
        && beside.len() <= 60
        && beside.starts_with(|c: char| c.is_ascii_alphanumeric())
        && beside.chars().all(plain);
    if !good {
        return Err(
            Failure::new(Code::Usage, format!("`{beside}` is no name of a database"))
                .hint("2 to 60 letters, digits, `_`, `.` and `-`, starting with a letter or digit"),
        );
    }
    if known(beside) || there(&filestores.join(beside))? {
        return Err(
            Failure::refused(format!("there is a database or a filestore `{beside}` already"))
                .hint("choose another name; `odoopack restore --forget-copy NAME` removes a copy of an earlier restore"),
        );
    }
    nobodys_role(pack, name, beside)?;
    Ok(Destination::Beside {
        database: beside.clone(),
    })
}

/// The environment's role is made a member of the role `beside`: it must be nobody's, and give nothing.
fn nobodys_role(pack: &Pack, name: &Name, beside: &str) -> Result<()> {
    // There no role is made: the one that was given owns everything.
    if pack.loaded.spec.postgres.is_given() {
        return Ok(());
    }
    let server = observe::databases::server(&pack.loaded.spec, &pack.layout, name)?;
    let mut client = observe::databases::connect(&server, "postgres")
        .map_err(|e| Failure::failed("could not look at the roles").because(observe::databases::words(&e)))?;
    let environments = pack.loaded.spec.environments.keys();
    let roles: Vec<String> = environments.map(|name| pack.layout.role(name)).collect();
    if !is_somebodys_role(&mut client, beside, &roles)? {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "there is a role `{beside}` in PostgreSQL, and {name} would become a member of it"
    ))
    .hint(format!(
        "choose another name; where nobody needs that role: `odoopack psql {name} --admin -- -c 'DROP ROLE \"{beside}\"'`"
    )))
}

/// Services of the environment that run, in the order in which they start.
fn services(view: &View, name: &Name) -> Vec<String> {
    let prefix = format!("{name}.");
    let runs = |name: &str| {
        let seen = view.facts.services.get(name);
        seen.is_some_and(|seen: &Seen<ServiceFact>| !seen.is_absent())
    };
    let all = view.target.services.iter().map(|service| service.name.clone());
    all.filter(|service| service.starts_with(&prefix) && runs(service))
        .collect()
}

/// Makes the room that a killed restore took, unless somebody is at work, who then has the lock below too.
fn swept(pack: &Pack) -> Result<()> {
    match lock::take(&pack.layout.state(), "odoopack restore") {
        Ok(_lock) => crate::apply::restore::sweep(&pack.layout, &pack.loaded.spec),
        Err(failure) if failure.kind == Code::Locked => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Refuses what would not fit on the disks of the database and of the environment.
pub(crate) fn room(
    ui: &Ui,
    pack: &Pack,
    environment: &Name,
    (source, only): (&Source, Option<Part>),
) -> Result<()> {
    let sizes = source.sizes()?;
    let beside = observe::host::disk(&pack.layout.environment(environment))?;
    let mut all = Vec::new();
    if only != Some(Part::Database) {
        all.push((beside.clone(), sizes.files));
    }
    if only != Some(Part::Filestore) {
        all.push((beside, sizes.beside));
        match observe::databases::disk(&pack.loaded.spec, &pack.layout, environment)? {
            Some(disk) => all.push((disk, sizes.database)),
            None => ui.say("how much room there is for the database is known to its server alone"),
        }
    }
    restore::room(&all).map_err(|e| {
        Failure::refused("there is not enough room")
            .because(e)
            .hint("make room, or forget what an earlier restore kept: `odoopack restore --forget-replaced ENVIRONMENT`")
    })
}

/// Replacing production wants its name, typed; replacing another environment a yes.
fn consent(ui: &Ui, name: &Name, kind: Kind, planned: &Planned, target: &Target<'_>) -> Result<()> {
    let replaces = planned.steps.iter().any(|step| step.kept().is_some());
    if !replaces {
        return Ok(());
    }
    let asking = |e| Failure::failed("could not ask").because(e);
    if kind != Kind::Production {
        let yes = ui.confirm(&format!("replace {name}?")).map_err(asking)?;
        return if yes { Ok(()) } else { Err(declined(name, false)) };
    }
    let answer = match &target.options.yes_replace {
        Some(answer) => Some(answer.clone()),
        None => ui
            .ask(&format!("this replaces {name}; type its name to go on:"))
            .map_err(asking)?,
    };
    if answer.as_deref() == Some(name.as_str()) {
        Ok(())
    } else {
        Err(declined(name, true))
    }
}

fn declined(name: &Name, production: bool) -> Failure {
    let hint = if production {
        format!("`--yes-replace {name}` answers the question")
    } else {
        "`--yes` answers the question".to_owned()
    };
    Failure::refused(format!("{name} was not replaced; nothing was changed")).hint(hint)
}

fn report(cx: &Context, planned: &Planned, found: &Found, target: &Target<'_>) {
    let kept: Vec<&str> = planned.steps.iter().filter_map(Step::kept).collect();
    cx.ui.json(&serde_json::json!({
        "operation": planned.id, "environment": planned.environment, "source": planned.source, "kept": kept,
        "found": found, "seconds": cx.ui.elapsed().as_secs_f64(),
    }));
    found.warnings.iter().for_each(|warning| cx.ui.warn(warning));
    let place = target
        .place
        .beside
        .as_deref()
        .unwrap_or(planned.environment.as_str());
    let mut parts = Vec::new();
    if !found.version.is_empty() {
        parts.push(format!("Odoo {} with {} modules", found.version, found.modules));
    }
    parts.extend(found.files.map(|count| format!("{count} attachments")));
    cx.ui.result(&format!("{place}: {}", parts.join(", ")));
    if !kept.is_empty() {
        cx.ui
            .result(&format!("kept what was replaced: {}", kept.join(", ")));
        cx.ui.say(&format!(
            "`odoopack restore --forget-replaced {}` removes it",
            planned.environment
        ));
    }
    if let Some(beside) = target
        .place
        .beside
        .as_ref()
        .filter(|_| target.only != Some(Part::Filestore))
    {
        cx.ui
            .say(&format!("`odoopack restore --forget-copy {beside}` removes it"));
    }
    let held = planned
        .steps
        .iter()
        .any(|step| matches!(step, Step::HoldJobs { .. }));
    if held {
        cx.ui.result("scheduled jobs and outgoing mail are held");
        found
            .waiting
            .iter()
            .for_each(|what| cx.ui.result(&format!("  waits: {what}")));
        cx.ui.say(&format!(
            "`odoopack env resume {}` lets them go",
            planned.environment
        ));
    }
}

/// Puts right what an earlier restore left; says what it did.
pub(crate) fn resume(cx: &Context, pack: &Pack) -> Result<Vec<String>> {
    let state = pack.layout.state();
    if crate::store::operation::open_journals(&state)?.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = lock::take(&state, "restore --resume")?;
    let view = observe::look(pack)?;
    let apply: Apply<'_> = super::up::applier(cx, pack, &view);
    crate::apply::restore::take_up(&apply, None)
}

/// What `resume` would do; changes nothing. The lock keeps it from taking a restore that runs for one that was cut off.
pub(crate) fn outlook(pack: &Pack) -> Result<Vec<String>> {
    let state = pack.layout.state();
    if crate::store::operation::open_journals(&state)?.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = lock::take(&state, "restore --resume --dry-run")?;
    crate::apply::restore::outlook(&state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filestore_that_is_a_link_is_not_replaced() {
        let keep = tempfile::tempdir().unwrap();
        let above = camino::Utf8Path::from_path(keep.path()).unwrap();
        let (here, big) = (above.join("erp"), above.join("big"));
        can_be_replaced(&here).unwrap();
        crate::files::directory_all(&big).unwrap();
        can_be_replaced(&big).unwrap();
        std::os::unix::fs::symlink("big", &here).unwrap();
        let failure = can_be_replaced(&here).unwrap_err();
        assert_eq!(failure.kind, Code::Refused);
        let said = failure.sentence();
        assert!(
            said.contains(&format!("is a link to `{big}`")) && said.contains(&format!("`mv {big} {here}`")),
            "{said}"
        );
    }
}
