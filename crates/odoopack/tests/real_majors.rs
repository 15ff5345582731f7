//! Backups between majors of PostgreSQL: from an older server into a newer one, and what a newer one gives to an older one.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs and moves files, and one that cannot go on shall panic"
)]

mod support;

use std::process::Command;

use camino::Utf8PathBuf;
use support::{Pack, file, machine, write};

/// Set in the process that sees the programs of both majors.
const INSIDE: &str = "ODOOPACK_TEST_MAJORS";
const OLD: u16 = 15;
const NEW: u16 = 17;
const NEWEST: u16 = 18;
const PROGRAMS: &str = "/usr/lib/postgresql";
const TO_PRODUCTION: [&str; 4] = ["--to", "production", "--yes-replace", "production"];

/// The programs of the newer major beside those of this Debian, for this test alone: other tests take the newest that they see.
struct Programs(Utf8PathBuf);

impl Programs {
    fn prepare() -> Self {
        let place = machine::roomy().join("odoopack-majors-programs");
        drop(std::fs::remove_dir_all(&place));
        let old = place.join(OLD.to_string());
        std::fs::create_dir_all(&old).unwrap();
        machine::must("mount", &["--bind", &format!("{PROGRAMS}/{OLD}"), old.as_str()]);
        let cache = cache().join("odoopack-tests");
        for major in [NEW, NEWEST] {
            let servers = cache.join("postgres").read_dir_utf8().unwrap().flatten();
            let server = servers
                .map(camino::Utf8DirEntry::into_path)
                .find(|path| path.file_name().unwrap().starts_with(&format!("{major}.")))
                .expect("`cargo xtask setup` fetches the servers of other majors");
            let new = place.join(major.to_string());
            machine::must("cp", &["-r", server.as_str(), new.as_str()]);
            let clients = cache.join(format!("postgres-clients/{major}/."));
            machine::must("cp", &["-r", clients.as_str(), new.join("bin").as_str()]);
        }
        machine::must("mount", &["--rbind", place.as_str(), PROGRAMS]);
        Self(place)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        drop(
            Command::new("umount")
                .args(["--recursive", "--lazy", PROGRAMS])
                .status(),
        );
        let old = self.0.join(OLD.to_string());
        drop(Command::new("umount").args(["--lazy", old.as_str()]).status());
        // Only then: the old programs are those of this machine.
        if old
            .read_dir_utf8()
            .is_ok_and(|mut entries| entries.next().is_none())
        {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

fn cache() -> Utf8PathBuf {
    let home = || Utf8PathBuf::from(std::env::var("HOME").unwrap()).join(".cache");
    std::env::var("XDG_CACHE_HOME").map_or_else(|_| home(), Utf8PathBuf::from)
}

#[test]
fn backups_go_from_an_older_major_to_a_newer_one_and_back_as_plain_sql() {
    if std::env::var_os(INSIDE).is_none() {
        machine::must_be_root();
        let status = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "--fork",
                "--kill-child",
                "--",
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("backups_go_from_an_older_major_to_a_newer_one_and_back_as_plain_sql")
            .env(INSIDE, "1")
            .status()
            .expect("`unshare` is part of util-linux");
        assert!(status.success(), "see above");
        return;
    }
    let _programs = Programs::prepare();
    let text = format!("[postgres]\nversion = {OLD}\n\n[environments.production]\ndomain = \"localhost\"\n");
    let pack = Pack::with_file("majors", 32_300, &file("majors", &text));
    pack.now("a pack on the older major");
    pack.run(&["up", "--yes"]).exits(0);
    pack.run_sql("UPDATE res_company SET name = 'Older' WHERE id = 1");
    pack.run(&["backup", "create"]).exits(0);
    into_the_newer(&pack);
    out_of_the_newer(&pack);
    let zip = into_the_newest(&pack);
    into_the_older(&pack, &zip);
    pack.run(&["down"]).exits(0);
}

fn into_the_newer(pack: &Pack) {
    pack.now("its snapshot on the newer major");
    pack.move_to(OLD, NEW);
    pack.run(&[&["restore", "latest"], TO_PRODUCTION.as_slice()].concat())
        .exits(0);
    assert_eq!(pack.name_and_major(), format!("Older {NEW}"));
    pack.run(&["status"]).exits(0);
}

/// A snapshot of the newer one is made, proven and brought back there.
fn out_of_the_newer(pack: &Pack) {
    pack.now("a snapshot of the newer major");
    pack.run_sql("UPDATE res_company SET name = 'Newer' WHERE id = 1");
    let made = pack.json(&["backup", "create"]);
    pack.run(&["backup", "drill", "--level", "restore"]).exits(0);
    pack.run_sql("UPDATE res_company SET name = 'Lost' WHERE id = 1");
    pack.run(&[&["restore", "latest"], TO_PRODUCTION.as_slice()].concat())
        .exits(0);
    assert_eq!(pack.name_and_major(), format!("Newer {NEW}"), "{made}");
}

/// The snapshot of the newer one on the newest, which makes a snapshot of its own, and writes out what older ones are to read.
fn into_the_newest(pack: &Pack) -> Utf8PathBuf {
    pack.now("its snapshot on the newest major");
    pack.move_to(NEW, NEWEST);
    pack.run(&[&["restore", "latest"], TO_PRODUCTION.as_slice()].concat())
        .exits(0);
    assert_eq!(pack.name_and_major(), format!("Newer {NEWEST}"));
    pack.run(&["backup", "create"]).exits(0);
    let zip = pack.path("newer.zip");
    pack.run(&["backup", "export", "production", zip.as_str()])
        .exits(0);
    let dump = pack.path("newer.dump");
    pack.run(&["backup", "export", "production", dump.as_str()])
        .exits(0);
    zip
}

fn into_the_older(pack: &Pack, zip: &Utf8PathBuf) {
    pack.now("back to the older major");
    pack.move_to(NEWEST, OLD);
    let before = pack.name_and_major();
    let said = pack
        .run(&[&["restore", "latest"], TO_PRODUCTION.as_slice()].concat())
        .exits(4)
        .said();
    assert!(
        said.contains("the snapshot is of PostgreSQL 18, this pack's server is 15")
            && said.contains("version = 18"),
        "{said}"
    );
    let dump = pack.path("newer.dump");
    let said = pack
        .run(&[&["backup", "import", dump.as_str()], TO_PRODUCTION.as_slice()].concat())
        .exits(4)
        .said();
    assert!(said.contains("was written by a newer pg_dump"), "{said}");
    assert_eq!(pack.name_and_major(), before, "a refusal changes nothing");
    // Plain SQL goes: what the older server does not know is left out.
    pack.run(&[&["backup", "import", zip.as_str()], TO_PRODUCTION.as_slice()].concat())
        .exits(0);
    assert_eq!(pack.name_and_major(), format!("Newer {OLD}"));
    pack.run(&["status"]).exits(0);
}

impl Pack {
    fn run_sql(&self, sql: &str) -> String {
        let answer = self.run(&["psql", "production", "--", "-Atc", sql]).exits(0);
        answer.stdout.trim().to_owned()
    }

    fn name_and_major(&self) -> String {
        self.run_sql(
            "SELECT name || ' ' || current_setting('server_version_num')::int / 10000 FROM res_company WHERE id = 1",
        )
    }

    /// As an operator does: the old cluster aside, and the files of its database, without which nothing new is begun; a new one made by `up`.
    fn move_to(&self, from: u16, to: u16) {
        self.run(&["down"]).exits(0);
        let (cluster, aside) = (self.path("data/postgres"), |major: u16| {
            self.path(&format!("data/postgres.{major}"))
        });
        std::fs::rename(&cluster, aside(from)).unwrap();
        if aside(to).exists() {
            std::fs::rename(aside(to), &cluster).unwrap();
        }
        let text = self.read("repo/odoopack.toml");
        let (old, new) = (format!("version = {from}"), format!("version = {to}"));
        write(&self.path("repo/odoopack.toml"), &text.replace(&old, &new));
        let files = self.path("data/environments/production/filestore/majors_production");
        if !cluster.exists() {
            let said = self.run(&["up", "--yes"]).exits(4).stderr.clone();
            assert!(said.contains("to begin anew, move"), "{said}");
            std::fs::rename(&files, format!("{files}.{from}")).unwrap();
        }
        self.run(&["up", "--yes"]).exits(0);
    }
}
