//! What is wrong with the machine, the place, the state, or the command.
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{GOOD, Place, is_root, said};

#[test]
fn a_port_that_somebody_has_is_refused_with_the_process_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::with(&GOOD.replace("18443", &port.to_string()));
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let words = [
        &format!("port {port} is taken by"),
        name.trim(),
        &std::process::id().to_string(),
        "https_port",
    ];
    for command in [&["up", "--yes"][..], &["plan"], &["up", "--dry-run"]] {
        place.refuses(command, 4, &words);
    }
}

#[test]
fn a_data_directory_of_another_pack_is_refused() {
    let place = Place::with(GOOD);
    place.write("data/odoopack/pack", "bakery\n");
    place.refuses(
        &["up", "--yes"],
        4,
        &["made by the pack `bakery`", "name = \"bakery\""],
    );
}

#[test]
fn a_restore_that_was_cut_off_is_put_right_before_anybody_reads_a_plan() {
    let place = Place::with(GOOD);
    let plan = r#"{"environment":"production","served":true,"source":"snapshot 1a2b3c4d","steps":[]}"#;
    place.write(
        "data/odoopack/open/restore-6a1b2c3d.jsonl",
        &format!("{{\"event\":\"start\",\"what\":{plan}}}\n"),
    );
    let words = [
        "a restore of production from snapshot 1a2b3c4d was cut off",
        "`odoopack restore --resume",
    ];
    place.refuses(&["up", "--yes"], 4, &words);
    place.refuses(&["up", "--dry-run"], 4, &words);
    place.refuses(&["status"], 8, &words);
}

#[test]
fn a_cluster_that_nobody_of_us_made_is_refused() {
    let place = Place::with(GOOD);
    place.write("data/postgres/PG_VERSION", "15\n");
    place.refuses(
        &["up", "--yes"],
        4,
        &["holds a cluster that odoopack did not make"],
    );
}

#[test]
fn links_below_the_root_are_not_written_through() {
    let place = Place::with(GOOD);
    let elsewhere = place.keep.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.root.join("data")).unwrap();
    place.refuses(&["up", "--yes"], 4, &["data must be a directory", "mount --bind"]);
    place.refuses(
        &["secret", "set", "SMTP", "--generate"],
        4,
        &["data", "is a link"],
    );
}

#[test]
fn a_root_that_is_a_link_is_the_place_it_leads_to() {
    let place = Place::with(GOOD);
    let link = place.keep.path().join("link");
    symlink(&place.root, &link).unwrap();
    let file = GOOD.replace(
        "name = \"refused\"",
        &format!("name = \"refused\"\nroot = {link:?}"),
    );
    place.write("repo/odoopack.toml", &file);
    let output = Command::new(env!("CARGO_BIN_EXE_odoopack"))
        .args(["plan", "--json"])
        .current_dir(place.root.join("repo"))
        .output()
        .unwrap();
    let text = said(&output);
    assert!(
        text.contains(&format!("{}/data\"", place.root.display())),
        "{text}"
    );
    assert!(!text.contains(link.to_str().unwrap()), "{text}");
}

#[test]
fn a_held_lock_names_its_holder() {
    let place = Place::with(GOOD);
    place.write("data/odoopack/pack", "refused\n");
    let lock = place.write(
        "data/odoopack/lock",
        "odoopack deploy, process 4711, since today\n",
    );
    std::fs::create_dir_all(place.root.join("data/odoopack/operations")).unwrap();
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    for command in [&["up", "--yes"][..], &["secret", "set", "SMTP", "--generate"]] {
        place.refuses(command, 5, &["odoopack deploy, process 4711", "somebody else"]);
    }
}

#[test]
fn a_secret_never_stands_on_a_command_line() {
    let place = Place::with(GOOD);
    place.refuses(&["secret", "set", "SMTP", "hunter2"], 2, &["unexpected argument"]);
    place.refuses(
        &["secret", "set", "smtp", "--generate"],
        2,
        &["no name of a secret"],
    );
    place.refuses(&["secret", "set", "SMTP"], 2, &["one line"]);
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let place = Place::with(GOOD);
    let path = place.write("data/secrets/SMTP", "user:geheim\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    for command in [
        &["up", "--yes"][..],
        &["secret", "list"],
        &["status"],
        &["render", "--check"],
    ] {
        place.refuses(command, 4, &["data/secrets/SMTP", "0600", "chmod"]);
        let text = said(&place.command(command).output().unwrap());
        assert!(!text.contains("geheim"), "{text}");
    }
}

#[test]
fn plan_tells_by_its_exit_code_whether_there_is_anything_to_do() {
    let place = Place::with(GOOD);
    let command = format!("`odoopack up --root {}` would", place.root.display());
    place.refuses(&["plan"], 0, &[&command, "note:"]);
    place.refuses(&["plan", "--exit-code"], 8, &["steps to do"]);
    place.refuses(&["up", "--dry-run"], 0, &["make directories"]);
    place.refuses(&["render", "--check"], 4, &["not built yet", "odoopack up"]);
}

#[test]
fn an_interrupt_while_the_release_is_looked_up_is_no_fault_of_apt() {
    let place = Place::with(GOOD);
    let apt = place.write("bin/apt-get", "#!/bin/sh\n: > \"$0.began\"\nexec sleep 60\n");
    std::fs::set_permissions(&apt, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:/usr/sbin:/usr/bin:/sbin:/bin",
        place.root.join("bin").display()
    );
    let child = place
        .command(&["lock", "--json"])
        .env("PATH", path)
        .spawn()
        .unwrap();
    let began = apt.with_file_name("apt-get.began");
    let until = Instant::now() + Duration::from_secs(30);
    while !began.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success() && began.exists());
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(
        text.contains("was interrupted") && text.contains("\"exit_code\":130") && text.contains("run again"),
        "{text}"
    );
    assert!(!text.contains("no working apt-get"), "{text}");
}

#[test]
fn a_full_directory_is_no_place_for_a_demo() {
    let place = Place::empty();
    place.write("thesis.tex", "years of work");
    place.refuses(
        &["demo", "--yes"],
        4,
        &["is not empty and no demo of ours", "--root DIR"],
    );
    place.refuses(&["demo", "--down", "--yes"], 0, &["nothing to do", "no demo"]);
    let mut command = place.command(&["demo", "--down", "--yes", "--root", "/"]);
    command = {
        let mut fresh = Command::new(command.get_program());
        fresh
            .args(["demo", "--down", "--yes", "--root", "/"])
            .stdin(Stdio::null());
        fresh
    };
    place.refuses_as(command, 0, &["nothing to do: there is no demo in /"]);
}

#[test]
fn a_copy_of_a_demo_is_not_removed() {
    let place = Place::with(GOOD);
    place.write("filestore/invoice.pdf", "only here");
    place.write(
        ".odoopack-demo",
        "made by `odoopack demo`, which may remove\n/opt/odoopack-demo\n",
    );
    place.refuses(&["demo", "--down", "--yes"], 4, &["made for another place"]);
}

#[test]
fn a_demo_whose_file_is_gone_is_not_pulled_from_under_its_servers() {
    let place = Place::empty();
    let mark = format!(
        "made by `odoopack demo`, which may remove\n{}\n",
        place.root.display()
    );
    place.write(".odoopack-demo", &mark);
    place.write("data/odoopack/pack", "demo\n");
    place.refuses(
        &["demo", "--down", "--yes"],
        4,
        &["cannot be stopped", "odoopack demo"],
    );
}

#[test]
fn down_removes_a_demo_and_nothing_behind_its_links() {
    let place = Place::with(GOOD);
    let mark = format!(
        "made by `odoopack demo`, which may remove\n{}\n",
        place.root.display()
    );
    place.write(".odoopack-demo", &mark);
    let keep = place.keep.path().join("keep");
    std::fs::create_dir(&keep).unwrap();
    std::fs::write(keep.join("invoice.pdf"), "only here").unwrap();
    std::fs::create_dir_all(place.root.join("data/environments/production")).unwrap();
    symlink(&keep, place.root.join("data/environments/production/filestore")).unwrap();
    symlink(&keep, place.root.join("backups")).unwrap();
    let output = place.command(&["demo", "--down", "--yes"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(keep.join("invoice.pdf").is_file() && !place.root.exists());
}

#[test]
fn the_callers_directory_home_and_locale_do_not_matter() {
    let place = Place::with(GOOD);
    let gone = place.keep.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let mut command = Command::new("sh");
    let script = "cd \"$0\" && rmdir \"$0\" && exec \"$@\"";
    command
        .args(["-c", script])
        .arg(&gone)
        .arg(env!("CARGO_BIN_EXE_odoopack"));
    command.arg("--root").arg(&place.root).arg("plan");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "tlh_KL.KOI8-R")
        .env("TMPDIR", "/no/such");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut relative = Command::new(env!("CARGO_BIN_EXE_odoopack"));
    relative
        .args(["plan", "--root", "./pack/../pack"])
        .current_dir(place.keep.path());
    let command = format!("`odoopack up --root {}` would", place.root.display());
    place.refuses_as(relative, 0, &[&command]);
}

/// Runs a script in a mount namespace of its own, with the program as `$1` and the place as `$2`.
fn in_namespace(place: &Place, script: &str) -> Command {
    assert!(is_root(), "these tests mount file systems, which takes root");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
    command
        .arg(env!("CARGO_BIN_EXE_odoopack"))
        .arg(&place.root)
        .stdin(Stdio::null());
    command
}

#[test]
fn too_small_a_disk_is_refused() {
    let place = Place::with(GOOD);
    let script = "cp -r $2 /tmp/odoopack-file.$$; mount -t tmpfs -o size=200m none $2; \
                  cp -r /tmp/odoopack-file.$$/repo $2; rm -r /tmp/odoopack-file.$$; \
                  before=$(find $2); code=0; $1 --root $2 up --yes || code=$?; \
                  test \"$before\" = \"$(find $2)\"; exit $code";
    place.refuses_as(
        in_namespace(&place, script),
        4,
        &["free below", "first installation needs", "--root DIR"],
    );
}

#[test]
fn a_read_only_disk_is_refused() {
    let place = Place::with(GOOD);
    let script = "mount --bind $2 $2; mount -o remount,ro,bind $2; exec $1 --root $2 up --yes";
    place.refuses_as(
        in_namespace(&place, script),
        4,
        &["Read-only file system", "--root DIR"],
    );
    let script = "mount --bind $2 $2; mount -o remount,ro,bind $2; exec $1 --root $2/demo demo --yes";
    place.refuses_as(
        in_namespace(&place, script),
        4,
        &["Read-only file system", "--root DIR"],
    );
}

#[test]
fn what_is_mounted_below_a_demo_is_not_removed_with_it() {
    let place = Place::with(GOOD);
    let mark = format!(
        "made by `odoopack demo`, which may remove\n{}\n",
        place.root.display()
    );
    place.write(".odoopack-demo", &mark);
    std::fs::create_dir(place.root.join("backups")).unwrap();
    let script = "mount -t tmpfs none $2/backups; touch $2/backups/dump; code=0; \
                  $1 --root $2 demo --down --yes || code=$?; test -f $2/backups/dump; exit $code";
    place.refuses_as(
        in_namespace(&place, script),
        4,
        &["something is mounted at", "umount"],
    );
}

#[test]
fn a_place_that_the_servers_could_not_reach_is_refused() {
    assert!(is_root(), "only root gives servers users of their own");
    let place = Place::with(GOOD);
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(place.keep.path(), closed).unwrap();
    place.refuses(&["up", "--yes"], 4, &["other users may not enter", "chmod o+x"]);
}

#[test]
fn a_pack_of_another_user_is_refused() {
    assert!(is_root(), "this gives a file away");
    let place = Place::with(GOOD);
    let path = place.write("data/odoopack/pack", "refused\n");
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    for command in ["up", "plan", "status", "render"] {
        place.refuses(&[command], 4, &["belongs to user nobody", "sudo -u nobody"]);
    }
}

#[test]
fn a_secret_from_standard_input_is_stored_closed() {
    let place = Place::with(GOOD);
    let mut command = place.command(&["secret", "set", "SMTP"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"user:geheim\n").unwrap();
    assert!(child.wait().unwrap().success());
    let path = place.root.join("data/secrets/SMTP");
    assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
}
