//! A database and a filestore with something in them, made up and the same every time.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::pack::Demo;

/// Database of the bench's demo.
pub(super) const DATABASE: &str = "bench_production";

/// How much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    /// Rows of about 215 bytes, with three indexes.
    pub(super) rows: u32,
    /// Attachments of 2 to 82 kB that do not compress.
    pub(super) files: u32,
}

/// Makes `sys.argv[2]` attachments below `sys.argv[1]` and prints their rows for COPY; the contents are the same every time.
const FILES: &str = r#"
import hashlib, os, random, sys
root, count = sys.argv[1], int(sys.argv[2])
chance = random.Random(1)
for number in range(count):
    content = chance.randbytes(2000 + number * 7919 % 80000)
    name = hashlib.sha1(content).hexdigest()
    place = os.path.join(root, name[:2])
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, name), "wb") as file:
        file.write(content)
    print(f"bench {number}\tbinary\t{name[:2]}/{name}\t{name}\t{len(content)}\tapplication/octet-stream")
"#;

/// Fills the demo's database and filestore, once.
pub(super) fn fill(demo: &Demo, amount: Amount) -> Result<()> {
    if sql(demo, DATABASE, "SELECT to_regclass('bench_lines') IS NOT NULL")?.trim() == "t" {
        return Ok(());
    }
    let rows = amount.rows;
    sql(
        demo,
        DATABASE,
        &format!(
            "CREATE TABLE bench_lines AS SELECT g AS id, g % 5000 AS partner_id, md5(g::text) AS name, repeat(md5((g * 7)::text), 4) AS note, \
                    (g % 100000) / 100.0 AS amount, timestamp '2026-01-01' - g * interval '1 minute' AS at FROM generate_series(1, {rows}) g; \
             ALTER TABLE bench_lines ADD PRIMARY KEY (id), OWNER TO {DATABASE}; \
             CREATE INDEX bench_lines_partner ON bench_lines (partner_id); CREATE INDEX bench_lines_name ON bench_lines (name); \
             ANALYZE bench_lines"
        ),
    )?;
    let filestore = filestore(demo);
    let lines = demo.root().join("attachments.tsv");
    let mut python = Command::new("python3");
    python
        .args(["-c", FILES])
        .arg(&filestore)
        .arg(amount.files.to_string())
        .stdout(fs::File::create(&lines)?);
    must(python)?;
    let mut owner = Command::new("chown");
    owner
        .arg("--recursive")
        .arg(format!("--reference={}", filestore.display()))
        .arg(&filestore);
    must(owner)?;
    let mut copy = psql(
        demo,
        DATABASE,
        "COPY ir_attachment (name, type, store_fname, checksum, file_size, mimetype) FROM stdin",
    );
    copy.stdin(fs::File::open(&lines)?);
    must(copy).map(drop)
}

/// The statement that adds the rows after `from`, up to `to`, as [`fill`] makes them.
pub(super) fn more_rows(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO bench_lines SELECT g, g % 5000, md5(g::text), repeat(md5((g * 7::bigint)::text), 4), 1, now() \
         FROM generate_series({from} + 1, {to}) g"
    )
}

/// Size of the demo's database, in MB.
pub(super) fn megabytes(demo: &Demo) -> Result<u64> {
    let bytes = sql(
        demo,
        "postgres",
        &format!("SELECT pg_database_size('{DATABASE}')"),
    )?;
    Ok(bytes.trim().parse::<u64>()? / 1_000_000)
}

/// The filestore of the demo's database.
pub(super) fn filestore(demo: &Demo) -> PathBuf {
    demo.root()
        .join("data/environments/production/filestore")
        .join(DATABASE)
}

/// Runs statements as the administrator of the demo's server, and returns what they print.
pub(super) fn sql(demo: &Demo, database: &str, text: &str) -> Result<String> {
    must(psql(demo, database, text))
}

fn psql(demo: &Demo, database: &str, text: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(entrance(demo.root()));
    command.args(["-d", database, "-v", "ON_ERROR_STOP=1", "-Atqc", text]);
    command
}

/// Options with which PostgreSQL's programs enter as the administrator.
pub(super) fn entrance(root: &Path) -> [String; 4] {
    let socket = root.join("data/run/postgres").display().to_string();
    ["-h".to_owned(), socket, "-U".to_owned(), "odoopack".to_owned()]
}

/// Runs it to its end and returns what it printed.
pub(super) fn must(mut command: Command) -> Result<String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
