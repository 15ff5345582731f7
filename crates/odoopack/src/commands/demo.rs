//! `demo`: from an empty machine to an Odoo that one can log into, over HTTPS, on this machine only.
use std::net::TcpListener;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Seen;
use odoopack_core::name::Name;
use odoopack_core::spec::{self, LoadContext};
use odoopack_core::target::{address, generated_secrets};
use odoopack_core::up::fences;

use super::{down, up};
use crate::apply;
use crate::context::{Context, FILE, Pack};
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::files;
use crate::hint;
use crate::observe;
use crate::store::{lock, secrets};

/// Bring up a complete Odoo on this machine, with no file to edit, no domain and no account
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Installs what is missing, gets Odoo 19 from Debian, builds its Python environment, makes a database cluster and a certificate, starts everything, checks it, and says where it is. Listens on loopback only. Run again, it has nothing to do.\n\nThe root is /opt/odoopack-demo, for an ordinary user ~/.local/share/odoopack/demo.\n\nExamples:\n  odoopack demo\n  odoopack demo --dry-run\n  odoopack demo --down"
)]
pub(crate) struct Args {
    /// Stop and remove the demo; installed packages and the download cache stay
    #[arg(long)]
    down: bool,
    /// With --down: keep the root with its data
    #[arg(long, requires = "down")]
    keep_data: bool,
    /// Show the plan and stop
    #[arg(long, conflicts_with = "down")]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &mut Context, args: &Args) -> Result<()> {
    let root = root(cx)?;
    cx.root = Some(root.clone());
    hint::remember(&root);
    if args.down {
        return take_down(cx, &root, args.keep_data);
    }
    let file = root.join("repo").join(FILE);
    let new = files::read_text(&file)?.is_none();
    if new {
        begin(&root, &file)?;
    }
    let pack = cx.load()?;
    let result = up::converge(
        cx,
        &pack,
        &up::Args {
            dry_run: args.dry_run,
            overwrite_edits: false,
        },
    );
    if new && !root.join("data").exists() {
        // Nothing was begun: refused, or only looked at.
        remove(&root)?;
    }
    let done = result?;
    if !args.dry_run {
        tell(cx, &pack, done)?;
    }
    Ok(())
}

fn root(cx: &Context) -> Result<Utf8PathBuf> {
    if let Some(root) = &cx.root {
        return Ok(one_name(root));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(one_name(Utf8Path::new("/opt/odoopack-demo")));
    }
    let home = observe::host::home();
    let home = home.ok_or_else(|| Failure::refused("you have no home").hint("`odoopack demo --root DIR`"))?;
    Ok(one_name(&home.join(".local/share/odoopack/demo")))
}

/// The name of a place whatever links lead to it, whether it is there yet or not.
fn one_name(root: &Utf8Path) -> Utf8PathBuf {
    let there = root.ancestors().find_map(|place| {
        let name = place.canonicalize_utf8().ok()?;
        let rest = root.strip_prefix(place).ok()?;
        Some(if rest.as_str().is_empty() {
            name
        } else {
            name.join(rest)
        })
    });
    there.unwrap_or_else(|| root.to_owned())
}

/// A directory is a demo's only with this mark; nothing else is ever removed.
fn mark(root: &Utf8Path) -> Utf8PathBuf {
    root.join(".odoopack-demo")
}

/// What the mark says: it names its own place, so that a copy of it proves nothing.
fn mark_text(root: &Utf8Path) -> String {
    format!("made by `odoopack demo`, which may remove\n{root}\n")
}

/// Whether `root` is a demo of ours.
fn is_demo(root: &Utf8Path) -> Result<bool> {
    let Some(text) = files::read_text(&mark(root))? else {
        return Ok(false);
    };
    match text.lines().find(|line| line.starts_with('/')) {
        Some(place) if place == root => Ok(true),
        None => Ok(true),
        Some(_) => Err(Failure::refused(format!(
            "`{}` was made for another place: this may be a copy",
            mark(root)
        ))
        .hint("remove by hand what is not needed")),
    }
}

fn begin(root: &Utf8Path, file: &Utf8Path) -> Result<()> {
    let used = root
        .read_dir_utf8()
        .is_ok_and(|mut entries| entries.next().is_some());
    if used && !is_demo(root)? {
        return Err(
            Failure::refused(format!("`{root}` is not empty and no demo of ours"))
                .hint("choose another place with `odoopack demo --root DIR`"),
        );
    }
    let text = spec_text(root, free_port(8080)?, free_port(8443)?);
    // A place that the file cannot name is refused before anything is written there.
    spec::load(&text, &LoadContext::new(root.join("repo"))).map_err(|mistakes| {
        Failure::refused(format!("`{root}` cannot be the root of a demo\n{mistakes}"))
            .hint("choose another place with `odoopack demo --root DIR`")
    })?;
    files::directory_all(root).map_err(lock::not_writable)?;
    files::replace(&mark(root), mark_text(root).as_bytes(), 0o644, None).map_err(lock::not_writable)?;
    files::directory_all(&root.join("repo"))?;
    files::replace(file, text.as_bytes(), 0o644, None)
}

/// The first port from `wanted` on which nobody listens.
fn free_port(wanted: u16) -> Result<u16> {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (wanted..wanted + 200)
        .find(free)
        .ok_or_else(|| Failure::refused(format!("no free port from {wanted} to {}", wanted + 199)))
}

fn spec_text(root: &Utf8Path, http: u16, https: u16) -> String {
    format!(
        r#"# Written by `odoopack demo`. Edit it and run `odoopack up --root {root}`.
format = 1

[pack]
name = "demo"
root = "{root}"

[odoo]
series = "19.0"
source = {{ debian = "sid" }}      # the smallest complete download; production packs take 18.0 from git

[web]
listen = ["127.0.0.1"]
http_port = {http}
https_port = {https}

[environments.production]
domain = "localhost"
users = 6
"#
    )
}

fn tell(cx: &Context, pack: &Pack, done: usize) -> Result<()> {
    let (root, layout) = (pack.layout.root(), &pack.layout);
    let name = environment(pack)?;
    let url = address(&pack.loaded.spec, name).unwrap_or_default();
    let [admin, ..] = generated_secrets(name);
    let password = secrets::path(&layout.secrets(), &admin);
    let running = Engine::here(layout).services()?;
    let names: Vec<&str> = running
        .iter()
        .filter(|(_, seen)| seen.present().is_some_and(|fact| fact.running))
        .map(|(name, _)| name.as_str())
        .collect();
    cx.ui.json(&serde_json::json!({
        "address": url, "login": "admin", "password_file": password, "root": root,
        "running": names, "steps": done, "seconds": cx.ui.elapsed().as_secs_f64(),
    }));
    if done == 0 {
        cx.ui.result("nothing to do");
    }
    cx.ui.result(&format!(
        "\n  Odoo        {url}\n  sign in     admin, password in {password}\n  running     {}\n  \
         root        {root}\n  took        {:.0} s, {done} steps\n\nNext:\n{}\n\n\
         The browser warns about the certificate until it trusts {}.",
        names.join(", "),
        cx.ui.elapsed().as_secs_f64(),
        next(root)?,
        layout.authority(),
    ));
    let host = observe::host::host(root)?;
    for fence in fences(&host, false) {
        cx.ui.result(&format!("Note: {fence}."));
    }
    if !host.systemd {
        cx.ui.result(&format!(
            "Nothing starts it at boot here (systemd is not PID 1): run `odoopack demo{}` again after one.",
            root_option(root)?
        ));
    }
    Ok(())
}

/// Commands to go on with, and what each is for.
fn next(root: &Utf8Path) -> Result<String> {
    let down = format!("odoopack demo --down{}", root_option(root)?);
    let lines = [
        (
            format!("odoopack status --root {root}"),
            "what runs, and what each probe got",
        ),
        (format!("odoopack doctor --root {root}"), "what could be better"),
        (down, "remove it all again"),
    ];
    let width = lines.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let shown = lines.map(|(command, what)| format!("  {command:<width$}   {what}"));
    Ok(shown.join("\n"))
}

/// ` --root DIR` where the demo is not in its usual place.
fn root_option(demo_root: &Utf8Path) -> Result<String> {
    let usual = root(&Context {
        ui: crate::ui::Ui::new(false, false, false),
        root: None,
    })?;
    Ok(if usual == demo_root {
        String::new()
    } else {
        format!(" --root {demo_root}")
    })
}

fn environment(pack: &Pack) -> Result<&Name> {
    pack.loaded
        .spec
        .environments
        .keys()
        .next()
        .ok_or_else(|| Failure::failed("the demo has no environment"))
}

fn take_down(cx: &Context, root: &Utf8Path, keep_data: bool) -> Result<()> {
    if !is_demo(root)? {
        cx.ui.json(&serde_json::json!({ "removed": false }));
        cx.ui
            .result(&format!("nothing to do: there is no demo in {root}"));
        return Ok(());
    }
    no_mounts(root)?;
    let file = root.join("repo").join(FILE);
    if files::read_text(&file)?.is_some() {
        stop(cx, keep_data)?;
    } else if root.join("data").exists() {
        return Err(Failure::refused(format!(
            "there is no `{file}`, so what runs here cannot be stopped"
        ))
        .hint(format!("`odoopack demo --dry-run --root {root}` writes it anew")));
    }
    if keep_data {
        cx.ui.json(&serde_json::json!({ "removed": false, "kept": root }));
        cx.ui.result(&format!("stopped; everything is kept in {root}"));
        return Ok(());
    }
    let progress = cx.ui.step(&format!("remove {root}"));
    remove(root)?;
    progress.done();
    cx.ui.json(&serde_json::json!({ "removed": true }));
    cx.ui
        .result("the demo is gone; installed packages and the download cache stay");
    Ok(())
}

/// The mark goes last: stopped before, the next run still knows that this is a demo.
fn remove(root: &Utf8Path) -> Result<()> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not look into `{root}`")).because(e);
    for entry in root.read_dir_utf8().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if path == mark(root) || path.ends_with("repo") {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            files::remove_tree(path)?;
        } else {
            files::remove(path)?;
        }
    }
    files::remove_tree(&root.join("repo"))?;
    files::remove(&mark(root))?;
    files::remove_tree(root)
}

/// What is mounted below a demo is not the demo's.
fn no_mounts(root: &Utf8Path) -> Result<()> {
    let text = files::read_text(Utf8Path::new("/proc/self/mountinfo"))?.unwrap_or_default();
    match mounts_below(&text, root).first() {
        None => Ok(()),
        Some(place) => {
            Err(Failure::refused(format!("something is mounted at `{place}`"))
                .hint(format!("`umount {place}`")))
        }
    }
}

/// Mount points below `root` (`proc(5)`: the fifth field, with spaces as `\040`).
fn mounts_below(text: &str, root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let places = text.lines().filter_map(|line| line.split(' ').nth(4));
    let places = places.map(|place| Utf8PathBuf::from(place.replace("\\040", " ")));
    places
        .filter(|place| place != root && place.starts_with(root))
        .collect()
}

fn stop(cx: &Context, keep_users: bool) -> Result<()> {
    let pack = cx.load()?;
    if pack.layout.state().is_dir() {
        down::stop_all(cx, &pack)?;
    }
    let engine = Engine::here(&pack.layout);
    if let Seen::Present(pid) = engine.process()? {
        return Err(Failure::failed(format!(
            "the supervisor (process {pid}) still runs"
        )));
    }
    if keep_users {
        Ok(())
    } else {
        engine.forget()?;
        apply::remove_users(&pack.layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_name_whether_it_is_there_or_not() {
        let keep = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(keep.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        files::directory_all(&place.join("real/opt")).unwrap();
        files::link(&place.join("real/opt"), &place.join("opt")).unwrap();
        assert_eq!(one_name(&place.join("opt/demo")), place.join("real/opt/demo"));
        assert_eq!(one_name(&place.join("opt")), place.join("real/opt"));
    }

    #[test]
    fn a_place_that_the_file_cannot_name_is_left_alone() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap().join("my demo");
        let refused = begin(&root, &root.join("repo").join(FILE)).unwrap_err();
        assert!(
            refused.to_string().contains("cannot be the root of a demo"),
            "{refused}"
        );
        assert!(!root.exists());
    }

    #[test]
    fn a_mount_below_is_seen_and_the_root_itself_is_none() {
        let text = "30 1 8:1 / /opt/demo rw - ext4 /dev/sda1 rw\n31 30 8:2 /x /opt/demo/big\\040disk rw - ext4 /dev/sdb rw\n\
                    32 1 8:2 / /opt/demo2 rw - ext4 /dev/sdb rw\n";
        assert_eq!(mounts_below(text, "/opt/demo".into()), ["/opt/demo/big disk"]);
    }
}
