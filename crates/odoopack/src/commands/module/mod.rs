//! `module`: which modules there are, why, in which order, what is wrong with them, what changed, and what is done to them.
mod changed;
mod check;
mod doing;
mod ground;
mod hash;
mod list;
mod missing;
mod order;
mod running;
mod test;
mod tree;
mod why;
mod work;

use std::collections::BTreeSet;

use odoopack_core::modules::{Installation, Tree, Wish, install};
use odoopack_core::name::Name;
use odoopack_core::spec::Edition;

use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::observe::{self, addons};

/// Show which modules there are and what is wrong with them; install, update, test and remove them
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Manifests are read without Python, and the first six need no database.\n\nExamples:\n  odoopack module check\n  odoopack module changed production\n  odoopack module why stock --edition core"
)]
pub(crate) enum Args {
    List(list::Args),
    Tree(tree::Args),
    Why(why::Args),
    Missing(missing::Args),
    Order(order::Args),
    Check(check::Args),
    Changed(changed::Args),
    Install(work::Install),
    Update(work::Update),
    Uninstall(work::Uninstall),
    Test(test::Args),
    Hash(hash::Args),
}

/// One edition, and where its companies are.
#[derive(Debug, clap::Args)]
pub(crate) struct Chosen {
    /// Edition; needed when the file has several
    #[arg(long, value_name = "EDITION")]
    edition: Option<String>,
    /// Country of a company, such as BE: brings the modules of that country; may be repeated
    #[arg(long, value_name = "CODE")]
    country: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let with_manifests = |show: &dyn Fn(&Pack, Seen) -> Result<()>| {
        let pack = cx.load()?;
        show(&pack, Seen::look(&pack)?)
    };
    match args {
        Args::List(args) => with_manifests(&|_, seen| {
            list::run(cx, &seen, args);
            // The process ends here: to give thousands of manifests back one by one would only take time.
            std::mem::forget(seen);
            Ok(())
        }),
        Args::Tree(args) => with_manifests(&|pack, seen| tree::run(cx, pack, seen, args)),
        Args::Why(args) => with_manifests(&|pack, seen| why::run(cx, pack, seen, args)),
        Args::Missing(args) => with_manifests(&|pack, seen| missing::run(cx, pack, &seen, args)),
        Args::Order(args) => with_manifests(&|pack, seen| order::run(cx, pack, seen, args)),
        Args::Check(args) => with_manifests(&|pack, seen| check::run(cx, pack, &seen, args)),
        Args::Changed(args) => changed::run(cx, args),
        Args::Install(args) => work::run_install(cx, args),
        Args::Update(args) => work::run_update(cx, args),
        Args::Uninstall(args) => work::run_uninstall(cx, args),
        Args::Test(args) => test::run(cx, args),
        Args::Hash(args) => hash::run(cx, args),
    }
}

/// The modules of the pack, and what is known of Odoo's code.
struct Seen {
    tree: Tree,
    release: Option<odoopack_core::facts::Release>,
}

impl Seen {
    fn look(pack: &Pack) -> Result<Self> {
        let release = observe::release(pack)?.present().cloned();
        let tree = addons::tree(&pack.loaded.spec, &pack.layout, release.as_ref())?;
        Ok(Self { tree, release })
    }
}

/// What Odoo sees of an edition, and what it would install for it.
struct Plan {
    edition: Name,
    wish: Wish,
    tree: Tree,
    installation: Installation,
}

/// Odoo's own modules must be known: without them every answer would be a guess.
fn of(pack: &Pack, seen: Seen, chosen: &Chosen) -> Result<Plan> {
    if seen.tree.get("base").is_none() {
        return Err(
            Failure::refused("Odoo's own modules are not known yet: its code is not there")
                .hint("`odoopack up` fetches it"),
        );
    }
    let (name, edition) = edition(pack, chosen.edition.as_deref())?;
    let wish = Wish {
        modules: wanted(edition).map(str::to_owned).collect(),
        countries: chosen.country.iter().map(|code| code.to_uppercase()).collect(),
        skip_auto_install: false,
    };
    let tree = seen.tree.of_edition(edition);
    Ok(Plan {
        edition: name.clone(),
        installation: install(&tree, &wish),
        wish,
        tree,
    })
}

/// The edition of that name, or the only one.
fn edition<'a>(pack: &'a Pack, name: Option<&str>) -> Result<(&'a Name, &'a Edition)> {
    let all = &pack.loaded.spec.editions;
    let names: Vec<&str> = all.keys().map(Name::as_str).collect();
    let found = match name {
        Some(name) => all.iter().find(|(known, _)| known.as_str() == name),
        None if all.len() == 1 => all.iter().next(),
        None => {
            return Err(Failure::new(Kind::Usage, "there are several editions")
                .hint(format!("--edition with one of {}", names.join(", "))));
        }
    };
    found.ok_or_else(|| {
        let name = name.unwrap_or_default();
        Failure::new(Kind::Usage, format!("there is no edition `{name}`"))
            .hint(format!("one of {}", names.join(", ")))
    })
}

/// Editions that the file asks for: that of the option, or all that an environment runs.
fn editions<'a>(pack: &'a Pack, name: Option<&str>) -> Result<Vec<(&'a Name, &'a Edition)>> {
    if name.is_some() {
        return Ok(vec![edition(pack, name)?]);
    }
    let spec = &pack.loaded.spec;
    let used: BTreeSet<&Name> = spec
        .environments
        .values()
        .map(|environment| &environment.edition)
        .collect();
    Ok(spec
        .editions
        .iter()
        .filter(|(name, _)| used.contains(name))
        .collect())
}

/// Modules that an edition asks for.
fn wanted(edition: &Edition) -> impl Iterator<Item = &str> {
    let more = ["web"].into_iter();
    more.chain(
        edition
            .modules
            .iter()
            .chain(&edition.server_wide)
            .map(String::as_str),
    )
}
