//! `adopt`: an Odoo that somebody runs with Docker Compose becomes this pack's, with its volumes and its database.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::adopt::{self, Adoption, Project, Seen, SiteFile, Stack, Variables, Volumes, Wants};
use odoopack_core::checks::{self, Finding};
use odoopack_core::name::Name;
use odoopack_core::odoo::Series;

use crate::context::{Context, working_directory};
use crate::failure::{Failure, Kind, Result};
use crate::store::{marks, secrets};
use crate::{files, observe};

/// Take over an Odoo that runs with Docker Compose: write the odoopack.toml that matches it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the compose file with its .env and its `env_file`s, the odoo.conf and nginx's site that it mounts, and writes `repo/odoopack.toml` below --root. Volumes, cluster, database and images stay what they are. Says what `up` will do differently and what was left behind; changes nothing of the running stack.\n\nExamples:\n  odoopack adopt --compose /srv/odoo/docker-compose.yml --domain erp.example.com --dry-run\n  odoopack adopt --root /opt/odoo-ce --compose deploy/docker-compose.yml --project-directory ."
)]
pub(crate) struct Args {
    /// Compose file; without it, the one in the working directory
    #[arg(long, value_name = "FILE")]
    compose: Option<Utf8PathBuf>,
    /// Directory that the file's relative paths begin at; without it, the file's own
    #[arg(long, value_name = "DIR")]
    project_directory: Option<Utf8PathBuf>,
    /// Name of the Compose project; without it, as Docker Compose makes it
    #[arg(long)]
    project: Option<String>,
    /// The service that runs Odoo, where there are several
    #[arg(long)]
    service: Option<String>,
    /// Odoo's configuration; without it, the mounted one
    #[arg(long, value_name = "FILE")]
    odoo_conf: Option<Utf8PathBuf>,
    /// nginx's site; without it, the mounted one
    #[arg(long, value_name = "FILE")]
    nginx: Option<Utf8PathBuf>,
    /// Odoo's database; without it, as the files say
    #[arg(long)]
    database: Option<String>,
    /// Host name that people come by; without it, as nginx's site says
    #[arg(long)]
    domain: Option<String>,
    /// Series of Odoo; without it, as the image's tag says
    #[arg(long)]
    series: Option<Series>,
    /// Name of the pack
    #[arg(long, default_value = "odoo")]
    name: Name,
    /// Show what would be written and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let (root, path) = cx.place_of_new_file()?;
    let compose = compose_file(args)?;
    let text = needed(&compose)?;
    let project = project(args, &compose, &text)?;
    let stack = Stack::find(&project, args.service.as_deref());
    let stack = stack.map_err(|refusal| Failure::refused(refusal.what).hint(refusal.hint))?;
    let wants = Wants {
        root: root.clone(),
        name: args.name.clone(),
        series: args.series,
        domain: args.domain.clone(),
        database: args.database.clone(),
    };
    let mut volumes = Volumes::new();
    for name in stack.volumes() {
        volumes.insert(name.clone(), observe::adopt::volume(&name)?);
    }
    let conf = odoo_conf(args, &stack, &volumes)?;
    let stack = stack.told(conf.as_ref().map(|(_, text)| text.as_str()));
    let stack = stack.map_err(|refusal| Failure::refused(refusal.what).hint(refusal.hint))?;
    let nginx = sites(args, &stack, &volumes)?;
    let adoption = look(
        &nginx,
        (&stack, &volumes),
        &wants,
        &[Some((compose.clone(), text)), conf],
    )?;
    refuse(&adoption)?;
    if !args.dry_run {
        write(&root, &path, &adoption, (&project, &stack))?;
    }
    let old = replaced(&root, (&compose, &nginx));
    tell(cx, args, &path, &next(&path, &compose, &project, &old), &adoption);
    Ok(())
}

/// The project with the files of variables that lie beside it, when one file is all of it.
fn project(args: &Args, compose: &Utf8Path, text: &str) -> Result<Project> {
    let directory = directory(args, compose)?;
    let variables = files::read_text(&directory.join(".env"))?.unwrap_or_default();
    let project = Project::read(
        text,
        Variables::read(&variables),
        &directory,
        args.project.as_deref(),
    );
    let project = project.map_err(|why| {
        Failure::refused(format!("`{compose}` could not be read"))
            .because(why)
            .hint(format!("`docker compose -f {compose} config > merged.yml` names the place, or writes one file with all that it includes: `odoopack adopt --compose merged.yml`"))
    })?;
    // As `.env` names it: without links above it, and under its own name.
    let above = compose.parent().and_then(|above| above.canonicalize_utf8().ok());
    let named = above
        .zip(compose.file_name())
        .map(|(above, name)| above.join(name));
    let named = named.unwrap_or_else(|| compose.to_owned());
    if let Some(refusal) = project.in_parts(&named, &there(&named, &adopt::OVERRIDES)) {
        return Err(Failure::refused(refusal.what).hint(refusal.hint));
    }
    let mut beside = BTreeMap::new();
    for path in project.env_files() {
        if let Some(text) = files::read_text(&path)? {
            beside.insert(path, text);
        }
    }
    Ok(project.with_env_files(&beside))
}

fn compose_file(args: &Args) -> Result<Utf8PathBuf> {
    let absolute = |path: &Utf8Path| {
        camino::absolute_utf8(path)
            .map_err(|e| Failure::failed(format!("could not find `{path}`")).because(e))
    };
    if let Some(path) = &args.compose {
        return absolute(path);
    }
    let here = working_directory()?;
    let found = adopt::NAMES
        .iter()
        .map(|name| here.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::refused(format!("there is no compose file in `{here}`"))
            .hint("`odoopack adopt --compose FILE`")
    })
}

/// Files of these names beside a file.
fn there(file: &Utf8Path, names: &[&str]) -> Vec<Utf8PathBuf> {
    let all = names.iter().map(|name| file.with_file_name(name));
    all.filter(|path| path.is_file()).collect()
}

fn directory(args: &Args, compose: &Utf8Path) -> Result<Utf8PathBuf> {
    let said = args.project_directory.as_deref();
    let place = said.or(compose.parent()).unwrap_or(Utf8Path::new("/"));
    place.canonicalize_utf8().map_err(|e| {
        Failure::refused(format!("there is no directory `{place}`"))
            .because(e)
            .hint("check --project-directory")
    })
}

fn needed(path: &Utf8Path) -> Result<String> {
    files::read_text(path)?
        .ok_or_else(|| Failure::refused(format!("there is no `{path}`")).hint("check the path"))
}

/// A file's path and its text, when it is there.
type Read = Option<(Utf8PathBuf, String)>;

fn odoo_conf(args: &Args, stack: &Stack<'_>, volumes: &Volumes) -> Result<Read> {
    let conf = text_of(args.odoo_conf.as_deref(), stack.odoo_conf(volumes))?;
    if let Some((path, text)) = &conf
        && let Some(mistake) = odoopack_core::odoo::conf_file::read(text).mistakes.first()
    {
        return Err(Failure::refused(format!("Odoo itself could not read `{path}`"))
            .because(mistake.clone())
            .hint(format!("`odoopack doctor --file {path}`")));
    }
    Ok(conf)
}

/// nginx's files: the one that is named, else all that are mounted.
fn sites(args: &Args, stack: &Stack<'_>, volumes: &Volumes) -> Result<Vec<SiteFile>> {
    if let Some(path) = &args.nginx {
        return Ok(vec![(path.clone(), needed(path)?)]);
    }
    let [mut files, directories] = stack.nginx_places(volumes);
    for directory in directories {
        let inside = observe::adopt::sites(&directory)?.into_iter();
        files.extend(inside.filter(|path| !files.contains(path)).collect::<Vec<_>>());
    }
    let mut all = Vec::new();
    for path in files {
        all.extend(text_of(None, Some(path))?);
    }
    Ok(all)
}

/// Everything else that is read and seen, and what is decided from it.
fn look(
    nginx: &[SiteFile],
    (stack, volumes): (&Stack<'_>, &Volumes),
    wants: &Wants,
    read: &[Read; 2],
) -> Result<Adoption> {
    let (mut directories, mut links) = (BTreeMap::new(), BTreeMap::new());
    for place in adopt::places(stack, nginx, volumes) {
        if let Some(holds) = observe::adopt::holds(&place)? {
            links.extend(observe::adopt::led_to(&place)?.map(|real| (place.clone(), real)));
            directories.insert(place, holds);
        }
    }
    let files: Vec<_> = read.iter().flatten().chain(nginx).collect();
    let findings = findings(&files, wants.series.or_else(|| stack.series()));
    Ok(adopt::decide(
        stack,
        wants,
        &Seen {
            nginx,
            volumes,
            directories: &directories,
            links: &links,
            findings: &findings,
        },
    ))
}

/// A file that was named must be there; one that is only mounted need not.
fn text_of(named: Option<&Utf8Path>, mounted: Option<Utf8PathBuf>) -> Result<Read> {
    if let Some(path) = named {
        return Ok(Some((path.to_owned(), needed(path)?)));
    }
    let Some(path) = mounted.filter(|path| path.is_file()) else {
        return Ok(None);
    };
    Ok(files::read_text(&path)?.map(|text| (path, text)))
}

fn findings(files: &[&(Utf8PathBuf, String)], series: Option<Series>) -> Vec<Finding> {
    // Without one nothing is written anyway.
    let Some(series) = series else { return Vec::new() };
    let all = files.iter().map(|(path, text)| checks::File {
        path: path.as_str(),
        text,
    });
    checks::judge_files(&all.collect::<Vec<_>>(), series)
}

fn refuse(adoption: &Adoption) -> Result<()> {
    let Some((first, rest)) = adoption.refusals.split_first() else {
        return Ok(());
    };
    let failure = Failure::new(Kind::Refused, first.what.clone()).hint(first.hint.clone());
    Err(rest.iter().fold(failure, |failure, more| {
        failure.hint(format!("also: {}: {}", more.what, more.hint))
    }))
}

fn write(
    root: &Utf8Path,
    path: &Utf8Path,
    adoption: &Adoption,
    (project, stack): (&Project, &Stack<'_>),
) -> Result<()> {
    let (service, image) = (stack.postgres_service(), stack.postgres_image());
    let library = observe::library::of_service(&project.name, service, &image)?;
    for directory in ["repo", "data/odoopack", "backups"] {
        files::directory_all(&root.join(directory))?;
    }
    if !adoption.secrets.is_empty() {
        let directory = root.join("data/secrets");
        files::directory(&directory, 0o700, None)?;
        for (name, value) in &adoption.secrets {
            secrets::set(&directory, name, value.expose())?;
        }
    }
    // Before anything ran there is no other record of what the cluster was made by.
    let state = root.join("data/odoopack");
    marks::remember_adopted_image(&state, &image)?;
    if let Some(library) = library {
        marks::remember_adopted_library(&state, &library)?;
    }
    files::replace(path, adoption.text.as_bytes(), 0o644, None)
}

fn tell(cx: &Context, args: &Args, path: &Utf8Path, next: &[String; 4], adoption: &Adoption) {
    let secrets: Vec<&str> = adoption.secrets.iter().map(|(name, _)| name.as_str()).collect();
    let rows = |all: &[(String, String)], second: &str| -> Vec<serde_json::Value> {
        all.iter()
            .map(|(what, more)| serde_json::json!({ "what": what, second: more }))
            .collect()
    };
    cx.ui.json(&serde_json::json!({
        "written": !args.dry_run, "file": path, "text": adoption.text, "secrets": secrets,
        "kept": rows(&adoption.kept, "is"), "changes": rows(&adoption.changes, "why"),
        "left": rows(&adoption.left, "why"), "next": next,
    }));
    if args.dry_run {
        cx.ui.result(&format!("would write {path}:\n"));
        adoption
            .text
            .lines()
            .for_each(|line| cx.ui.document(format!("    {line}").trim_end()));
        cx.ui.result("");
    } else {
        cx.ui.result(&format!("wrote {path}"));
    }
    let list = |mark: &str, all: &[(String, String)]| {
        for (what, more) in all {
            cx.ui.result(&format!("  {mark} {what}: {more}"));
        }
    };
    list("stays:", &adoption.kept);
    list("`up` changes:", &adoption.changes);
    list("left behind:", &adoption.left);
    for name in secrets {
        cx.ui
            .result(&format!("  the value of secret:{name} goes into data/secrets"));
    }
    cx.ui.result("next:");
    for (number, line) in next.iter().enumerate() {
        cx.ui.result(&format!("  {}. {line}", number + 1));
    }
}

/// The old files that go out of the way: those that would start the old stack again, and those in whose place `up` writes its own.
fn replaced(root: &Utf8Path, (compose, nginx): (&Utf8Path, &[SiteFile])) -> Vec<Utf8PathBuf> {
    let mut old = vec![compose.to_owned()];
    // What it was merged from starts the same containers.
    old.extend(there(compose, &adopt::NAMES));
    old.extend(there(compose, &adopt::OVERRIDES));
    let real = |directory: &Utf8Path| directory.canonicalize_utf8().ok();
    let ours = real(&root.join("deploy/nginx"));
    let in_ours = |path: &&Utf8PathBuf| ours.is_some() && path.parent().and_then(real) == ours;
    old.extend(nginx.iter().map(|(path, _)| path).filter(in_ours).cloned());
    let mut seen = BTreeSet::new();
    old.retain(|path| seen.insert(path.clone()));
    old
}

fn next(path: &Utf8Path, compose: &Utf8Path, project: &Project, old: &[Utf8PathBuf]) -> [String; 4] {
    let root = path.parent().and_then(Utf8Path::parent).unwrap_or(path);
    let away = old.iter().map(|file| format!("`mv {file} {file}.adopted`"));
    let away = away.collect::<Vec<_>>().join(", ");
    let own = root.join("deploy/nginx");
    let site = if old.iter().any(|file| file.starts_with(&own)) {
        ", and the pack's own site of nginx takes the place of the old one"
    } else {
        ""
    };
    [
        format!(
            "read {path}, then put the password of Odoo's user `admin` where the probes find it: `odoopack secret set PRODUCTION_ADMIN --root {root} < FILE`"
        ),
        format!(
            "`docker compose -p {} --project-directory {} -f {compose} down`, never with `--volumes`: from now on its containers must not start again",
            project.name, project.directory
        ),
        format!("{away}: two servers in one cluster destroy it{site}"),
        format!("`odoopack plan --root {root}`, then `odoopack up --root {root}`"),
    ]
}
