//! Which machine, which programs, which day, which commit.
use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::run;

/// What a reader needs to judge the numbers, as rows of a table.
pub(super) fn rows() -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("processor", processor()?),
        ("memory", memory()?),
        ("kernel", said("uname", &["-sr"])),
        ("system", system()),
        ("compiler", said("rustc", &["--version"])),
        ("PostgreSQL", said("psql", &["--version"])),
        ("nginx", said("nginx", &["-v"])),
        ("runit", said("dpkg-query", &["-W", "-f=${Version}", "runit"])),
        ("Python", said("/usr/bin/python3", &["--version"])),
    ])
}

pub(super) fn now() -> String {
    said("date", &["-u", "+%F %R UTC"])
}

/// What is checked out; changed files are said, because nobody can measure them again.
pub(super) fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    match said(
        "git",
        &["status", "--porcelain", "--", "crates", "vendor", "Cargo.lock"],
    )
    .as_str()
    {
        "" => commit,
        _ => format!("{commit} with changes"),
    }
}

/// The three load averages.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |line| line.trim_start_matches([':', '\t', ' ']));
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    Ok(format!("{model}, {cores} cores"))
}

fn memory() -> Result<String> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    Ok(format!("{} GiB", kib.div_ceil(1024 * 1024)))
}

fn system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

/// What a program says, on either stream; a program that is not there is `not there`.
fn said(program: &str, arguments: &[&str]) -> String {
    let program = run::find(program).unwrap_or_else(|| program.into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(run::root())
        .output();
    output.map_or_else(
        |_| "not there".to_owned(),
        |output| {
            let said = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&said).trim().to_owned()
        },
    )
}
