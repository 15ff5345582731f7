//! `bench`: measures what the pages claim, beside what people would use instead; loopback only, bounded.
mod backup;
mod client;
mod curve;
mod daemon;
mod data;
mod editions;
mod gate;
mod gentle;
mod hash;
mod lock;
mod machine;
mod memory;
mod modules;
mod odoo;
mod pack;
mod page;
mod restore;
mod rig;
mod sections;
mod start;
mod stats;
mod year;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run;
use pack::Demo;
use stats::{measure, shown};

const PAGE: &str = "docs/benchmarks.md";
const PIECES: &[&str] = &[
    "start", "plan", "demo", "memory", "editions", "stack", "gate", "switch", "modules", "lock", "hash",
    "backup", "restore", "gentle", "year", "curve",
];

/// Pieces that take many minutes each: only with `--full`, or by name.
const LONG: &[&str] = &["year", "curve"];

/// What backups are measured with, and with `--full`: 1 GB and 40,000 attachments.
const SOME: data::Amount = data::Amount {
    rows: 400_000,
    files: 5_000,
};
const FULL: data::Amount = data::Amount {
    rows: 2_500_000,
    files: 40_000,
};

/// Runs of each way of switching; one run has only a few chances to break something.
const SWITCHING_RUNS: usize = 3;

/// Runs all pieces, the long ones only with `--full`, or the named ones, and prints them. All pieces, and named
/// ones with `--write`, take their places on the page; the others stay there as they were measured before.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (options, pieces): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| argument.starts_with('-'));
    let unknown = options
        .iter()
        .find(|option| !["--cold", "--full", "--write"].contains(*option))
        .or_else(|| pieces.iter().find(|piece| !PIECES.contains(piece)));
    if let Some(unknown) = unknown {
        bail!(
            "no such piece or option: {unknown}; pieces are {}",
            PIECES.join(", ")
        );
    }
    let whole = pieces.is_empty();
    let mut bench = Bench {
        binary: build()?,
        cold: options.contains(&"--cold"),
        full: options.contains(&"--full"),
        demo: None,
    };
    let mut sections = Vec::new();
    let mut failed = Vec::new();
    let wanted = |piece: &&&str| {
        let part_of_all = whole && (bench.full || !LONG.contains(*piece));
        part_of_all || pieces.contains(*piece)
    };
    let wanted: Vec<&&str> = PIECES.iter().filter(wanted).collect();
    for piece in wanted {
        eprintln!("bench: {piece}");
        let before = machine::load();
        match bench.piece(piece) {
            Ok(part) => {
                println!("{part}");
                sections.push(sections::Section {
                    piece: (*piece).to_owned(),
                    text: part + &page::stamp(&before),
                });
            }
            Err(error) => {
                failed.push(*piece);
                eprintln!("bench: {piece} could not be measured: {error:#}");
            }
        }
    }
    bench.demo.map_or(Ok(()), Demo::remove)?;
    if whole || options.contains(&"--write") {
        write(sections)?;
    }
    if !failed.is_empty() {
        bail!("could not be measured: {}", failed.join(", "));
    }
    Ok(())
}

fn write(sections: Vec<sections::Section>) -> Result<()> {
    let place = run::root().join(PAGE);
    let old = fs::read_to_string(&place).with_context(|| format!("cannot read {PAGE}"))?;
    let page = sections::merged(&page::head(&machine::rows()?), &old, sections);
    fs::write(&place, page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("wrote {PAGE}");
    Ok(())
}

/// Builds what is measured.
fn build() -> Result<PathBuf> {
    let mut cargo = run::cargo();
    run::run(cargo.args(["build", "--quiet", "--release", "--package", "odoopack"]))?;
    let own = std::env::current_exe().context("cannot find out where this program is")?;
    // `<target>/debug/xtask` stands beside `<target>/release`.
    let target = own
        .parent()
        .and_then(Path::parent)
        .context("no target directory")?;
    let binary = target.join("release/odoopack");
    if !binary.is_file() {
        bail!("{} is not there after the build", binary.display());
    }
    Ok(binary)
}

struct Bench {
    binary: PathBuf,
    cold: bool,
    full: bool,
    /// Brought up by the first piece that needs it.
    demo: Option<Demo>,
}

impl Bench {
    fn piece(&mut self, piece: &str) -> Result<String> {
        match piece {
            "start" => self.start(),
            "plan" => self.plan(),
            "demo" => self.bring_up(),
            "memory" => Ok(page::memory(&memory::of_pack(self.demo()?.root())?)),
            "editions" => self.editions(editions::Engine::Native),
            "stack" => self.editions(editions::Engine::Compose),
            "gate" => self.gate(),
            "switch" => self.switch(),
            "modules" => self.modules(),
            "lock" => Ok(page::lock(&lock::lock(&self.binary)?)),
            "hash" => self.hash(),
            "backup" => self.backup(),
            "restore" => self.restore(),
            "gentle" => self.gentle(),
            "year" => self.year(),
            "curve" => self.curve(),
            other => bail!("no such piece: {other}"),
        }
    }

    fn demo(&mut self) -> Result<&Demo> {
        if self.demo.is_none() {
            let mut demo = Demo::new(&self.binary, false)?;
            demo.start()?;
            self.demo = Some(demo);
        }
        self.demo.as_ref().context("the demo was just brought up")
    }

    fn start(&mut self) -> Result<String> {
        let mut starts = start::versions(&self.binary)?;
        starts.push(start::odoo_version(self.demo()?)?);
        Ok(page::starts(&starts))
    }

    fn plan(&mut self) -> Result<String> {
        let seed = start::plan_of_the_seed(&self.binary)?;
        let demo = self.demo()?;
        let plan = measure(30, || demo.timed(&["plan"]))?;
        let up = measure(30, || demo.timed(&["up"]))?;
        Ok(page::table(
            "Planning",
            "`examples/seed.toml` (three environments) is planned in an empty root: its Odoo 18 comes from git and is not built \
             here, so none of its services runs. The demo is planned with all its services running, and has nothing to do.",
            &[
                ("`plan`, the seed's machine, nothing runs", &seed),
                ("`plan`, the demo, everything runs", &plan),
                ("`up` with nothing to do, the demo", &up),
            ],
        ))
    }

    /// Cold where it was asked for, then warm: the downloads are there, the root is not.
    fn bring_up(&mut self) -> Result<String> {
        self.demo.take().map_or(Ok(()), Demo::remove)?;
        let mut text = String::from(
            "From the command to a checked Odoo: packages are installed, the release build is there. Warm means that downloads \
             are cached and the root is empty.",
        );
        let mut cold = None;
        if self.cold {
            let mut demo = Demo::new(&self.binary, true)?;
            cold = Some(measure(1, || demo.start())?);
            let megabytes = demo.downloaded() / 1_000_000;
            demo.remove()?;
            text = format!(
                "{text} Cold means an empty cache, which held {megabytes} MB afterwards, unpacked wheels included."
            );
        }
        // Fills the cache where nobody ran a demo before.
        self.demo()?;
        self.demo.take().map_or(Ok(()), Demo::remove)?;
        let warm = measure(2, || {
            self.demo.take().map_or(Ok(()), Demo::remove)?;
            let mut demo = Demo::new(&self.binary, false)?;
            let took = demo.start()?;
            self.demo = Some(demo);
            anyhow::Ok(took)
        })?;
        eprintln!("bench: warm demo {}", shown(warm.median()));
        let odoo = self.demo()?.read(&["exec", "production", "--", "--version"])?;
        text = format!("{text} Odoo here and in what follows: {}.", odoo.trim());
        let mut rows = vec![("`demo`, warm", &warm)];
        rows.extend(cold.as_ref().map(|cold| ("`demo`, cold", cold)));
        Ok(page::table("The demo", &text, &rows))
    }

    /// Packs of their own; the demo would share the machine's memory with them.
    fn editions(&mut self, engine: editions::Engine) -> Result<String> {
        self.demo.take().map_or(Ok(()), Demo::remove)?;
        let docker = match engine {
            editions::Engine::Native => daemon::Docker::Here,
            editions::Engine::Compose => daemon::look()?,
        };
        let _ours = match docker {
            daemon::Docker::Here => None,
            daemon::Docker::Ours(daemon) => Some(daemon),
            daemon::Docker::Elsewhere(home) => return daemon::measured_elsewhere(&home),
            daemon::Docker::Nowhere(why) => bail!("{why}"),
        };
        Ok(page::editions(engine, &editions::measured(&self.binary, engine)?))
    }

    fn gate(&mut self) -> Result<String> {
        let tiny = gate::overhead_of_tiny(&self.binary)?;
        let binary = self.binary.clone();
        let port = self.demo()?.odoo_port()?;
        let odoo = gate::overhead(&binary, port, "/web/health", 100)?;
        let root = self.demo()?.root();
        let back = measure(5, || gate::comes_back(root))?;
        let overhead = page::overhead(&[("tiny", tiny), ("Odoo 19, `/web/health`", odoo)]);
        Ok(overhead
            + &page::table(
                "The gate's death",
                "`kill -9` of the demo's gate until its supervisor's next one takes connections. nginx goes to the slots by itself \
                 meanwhile.",
                &[("killed, and back", &back)],
            ))
    }

    fn modules(&mut self) -> Result<String> {
        let binary = self.binary.clone();
        let rows = modules::compare(&binary, &self.demo()?.odoo_addons()?)?;
        let rows: Vec<_> = rows.iter().map(|row| (row.what.as_str(), &row.times)).collect();
        Ok(page::table(
            "Modules",
            "3,000 manifests, copies of Odoo 19's own, read from disk and printed as a list and as a tree of dependencies; the whole \
             process. Cold: the kernel's caches were emptied before each run.",
            &rows,
        ))
    }

    fn hash(&mut self) -> Result<String> {
        let binary = self.binary.clone();
        let found = hash::measure_both(&binary, self.demo()?)?;
        Ok(page::table(
            "What changed",
            &format!(
                "Checksums of the {} modules in the addons directory of Odoo 19, equal in both, files in the page cache. \
                 click-odoo-update's own function is run by Python over the same tree, without Odoo and without a database.",
                found.modules
            ),
            &[
                ("`odoopack module hash`, every module", &found.ours),
                ("click-odoo-contrib's `addon_hash`, every module", &found.theirs),
                ("`odoopack module changed`, the demo", &found.changed),
            ],
        ))
    }

    fn backup(&mut self) -> Result<String> {
        let amount = if self.full { FULL } else { SOME };
        let found = backup::backups(self.demo()?, amount)?;
        Ok(page::backups(&found.about, &found.rows))
    }

    fn restore(&mut self) -> Result<String> {
        let amount = if self.full { FULL } else { SOME };
        let found = restore::restores(self.demo()?, amount)?;
        let rows: Vec<_> = found.rows.iter().map(|(what, times)| (*what, times)).collect();
        Ok(page::table("Bringing it back", &found.about, &rows))
    }

    fn gentle(&mut self) -> Result<String> {
        let amount = if self.full { FULL } else { SOME };
        let found = gentle::backups_beside_work(self.demo()?, amount)?;
        Ok(page::gentle(
            &format!(
                "One visitor asks Odoo for `/web/login` again and again while a database with {} made-up rows is backed up; \
                 almost nothing of it is new. A gentle backup is slow on purpose.",
                amount.rows
            ),
            &found,
        ))
    }

    fn year(&mut self) -> Result<String> {
        let amount = if self.full { FULL } else { SOME };
        let found = year::of_each_change(self.demo()?, amount)?;
        Ok(page::year(&found.about, &found.all))
    }

    /// A demo of its own: what is measured depends on what is in it.
    fn curve(&mut self) -> Result<String> {
        self.demo.take().map_or(Ok(()), Demo::remove)?;
        let points = if self.full { &curve::FULL } else { &curve::SOME };
        let found = curve::points(&self.binary, points)?;
        Ok(page::curve(curve::ABOUT, &found))
    }

    fn switch(&mut self) -> Result<String> {
        let runs = |switch: &dyn Fn() -> Result<gate::Switching>| {
            (0..SWITCHING_RUNS).map(|_| switch()).collect::<Result<Vec<_>>>()
        };
        let by_gate = runs(&|| gate::switch_by_gate(&self.binary))?;
        let by_reload = runs(&gate::switch_by_reload)?;
        Ok(page::switching(&[
            ("`odoopack gate`", by_gate),
            ("`nginx -s reload`", by_reload),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_piece_is_refused_before_anything_is_built() {
        let error = run(&["gates".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("no such piece or option: gates; pieces are start"),
            "{error}"
        );
    }
}
