//! The command line: global options and the tree of commands.
use camino::Utf8PathBuf;
use clap::{Parser, Subcommand};

use crate::commands::{
    adopt, backup, boot_test, completions, demo, doctor, down, edition, engine, env, exec, gate, image,
    import, init, lock, logs, module, oca, plan, psql, recover, render, renew, restart, restore, schedule,
    secret, shell, sizing, spec, status, up,
};
use crate::context::Context;
use crate::failure::Result;
use crate::hint;
use crate::ui::Ui;

/// Options of every command stand below its own.
const GLOBAL: &str = "Options of every command";

/// Run Odoo on your own machine: one file in, a safe and observable platform out.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Start with `odoopack demo`, or `odoopack init --domain erp.example.com`.\n\nExit codes: 0 done, 1 failed, 2 usage, 3 the file is wrong, 4 refused, 5 locked, 6 rolled back, 7 needs a human, 8 not as the file says, 130 interrupted."
)]
pub(crate) struct Cli {
    /// Root of the pack, which holds `repo/odoopack.toml`; without it the file is looked for from the working directory upwards
    #[arg(long, global = true, value_name = "DIR", value_parser = absolute, help_heading = GLOBAL)]
    root: Option<Utf8PathBuf>,
    /// Print results and failures as JSON, and ask nothing
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    yes: bool,
    /// Say which programs are called, and how long each took
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Adopt(adopt::Args),
    Import(import::Args),
    Lock(lock::Args),
    #[command(subcommand)]
    Oca(oca::Args),
    Plan(plan::Args),
    Up(up::Args),
    Down(down::Args),
    Restart(restart::Args),
    Status(status::Args),
    Logs(logs::Args),
    Shell(shell::Args),
    Psql(psql::Args),
    Exec(exec::Args),
    Render(render::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Edition(edition::Args),
    #[command(subcommand)]
    Engine(engine::Args),
    #[command(subcommand)]
    Image(image::Args),
    #[command(subcommand)]
    Schedule(schedule::Args),
    Renew(renew::Args),
    Sizing(sizing::Args),
    #[command(subcommand)]
    Backup(backup::Args),
    Restore(restore::Args),
    Recover(recover::Args),
    #[command(subcommand)]
    Env(env::Args),
    #[command(subcommand)]
    Module(module::Args),
    #[command(subcommand)]
    Secret(secret::Args),
    #[command(subcommand)]
    Spec(spec::Args),
    #[command(hide = true)]
    Gate(gate::Args),
    #[command(hide = true)]
    BootTest(boot_test::Args),
    Completions(completions::Args),
}

fn absolute(text: &str) -> std::result::Result<Utf8PathBuf, String> {
    let path = camino::absolute_utf8(text).map_err(|e| e.to_string())?;
    // `..` and links are resolved where the directory is there, so that one root has one name.
    Ok(path.canonicalize_utf8().unwrap_or(path))
}

impl Cli {
    /// Runs the chosen command.
    pub(crate) fn run(self) -> Result<()> {
        if let Some(root) = &self.root {
            hint::remember(root);
        }
        let mut cx = Context {
            ui: Ui::new(self.json, self.yes, self.verbose),
            root: self.root,
        };
        match &self.command {
            Command::Demo(args) => demo::run(&mut cx, args),
            Command::Init(args) => init::run(&cx, args),
            Command::Adopt(args) => adopt::run(&cx, args),
            Command::Import(args) => import::run(&cx, args),
            Command::Lock(args) => lock::run(&cx, args),
            Command::Oca(args) => oca::run(&cx, args),
            Command::Plan(args) => plan::run(&cx, args),
            Command::Up(args) => up::run(&cx, args),
            Command::Down(args) => down::run(&cx, args),
            Command::Restart(args) => restart::run(&cx, args),
            Command::Status(args) => status::run(&cx, args),
            Command::Logs(args) => logs::run(&cx, args),
            Command::Shell(args) => shell::run(&cx, args),
            Command::Psql(args) => psql::run(&cx, args),
            Command::Exec(args) => exec::run(&cx, args),
            Command::Render(args) => render::run(&cx, args),
            Command::Edition(args) => edition::run(&cx, args),
            Command::Engine(args) => engine::run(&cx, args),
            Command::Image(args) => image::run(&cx, args),
            Command::Schedule(args) => schedule::run(&cx, args),
            Command::Renew(args) => renew::run(&cx, args),
            Command::Doctor(args) => doctor::run(&cx, args),
            Command::Sizing(args) => sizing::run(&cx, args),
            Command::Backup(args) => backup::run(&cx, args),
            Command::Restore(args) => restore::run(&cx, args),
            Command::Recover(args) => recover::run(&cx, args),
            Command::Env(args) => env::run(&cx, args),
            Command::Module(args) => module::run(&cx, args),
            Command::Secret(args) => secret::run(&cx, args),
            Command::Spec(args) => spec::run(&cx, args),
            Command::Gate(args) => gate::run(args),
            Command::BootTest(args) => boot_test::run(&cx, args),
            Command::Completions(args) => {
                completions::run(args);
                Ok(())
            }
        }
    }
}
