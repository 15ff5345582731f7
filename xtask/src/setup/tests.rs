//! The install script against a fake apt-get and a root of its own.
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use super::*;

const POLICY: &str = "usr/sbin/policy-rc.d";
const CLUSTER: &str = "etc/postgresql-common/createcluster.conf";

/// A root directory whose `apt-get` notes what the script had put in place while it ran.
struct Host(PathBuf);

impl Host {
    fn new(name: &str) -> Self {
        let root = env::temp_dir().join(format!("xtask-setup-{}-{name}", std::process::id()));
        for directory in ["bin", "usr/sbin", "etc/init.d"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let host = Self(root);
        host.program(
            "apt-get",
            "r=$ODOOPACK_SETUP_PREFIX; echo \"$@\" >$r/args; cat $r/usr/sbin/policy-rc.d >$r/policy\n\
             cat $r/etc/postgresql-common/createcluster.conf >$r/cluster 2>/dev/null; touch $r/etc/init.d/nginx; exit ${APT:-0}",
        );
        host.program("update-rc.d", "echo \"$@\" >>$ODOOPACK_SETUP_PREFIX/disabled");
        host
    }

    fn program(&self, name: &str, body: &str) {
        let file = self.0.join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok()
    }

    fn install(&self, apt: &str, arguments: &[&str]) -> Output {
        let path = format!("{}:{}", self.0.join("bin").display(), env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command
            .args(["-c", INSTALL, "setup"])
            .args(arguments)
            .env("APT", apt);
        command
            .env("PATH", path)
            .env("ODOOPACK_SETUP_PREFIX", &self.0)
            .output()
            .unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn services_are_held_back_and_everything_is_put_back() {
    let host = Host::new("plain");
    assert!(
        host.install("0", &["nginx postgresql", "nginx", "postgresql"])
            .status
            .success()
    );
    assert!(
        host.read("args")
            .unwrap()
            .ends_with("--no-install-recommends nginx postgresql\n")
    );
    assert!(host.read("policy").unwrap().ends_with("exit 101\n"));
    assert!(
        host.read("cluster")
            .unwrap()
            .contains("create_main_cluster = false")
    );
    assert_eq!(host.read("disabled").as_deref(), Some("nginx disable\n"));
    assert_eq!((host.read(POLICY), host.read(CLUSTER)), (None, None));
}

#[test]
fn what_was_there_before_stays() {
    let host = Host::new("before");
    host.write(POLICY, "#!/bin/sh\nexit 0\n");
    host.write(CLUSTER, "ssl = on\n");
    host.write("etc/init.d/nginx", "");
    assert!(
        host.install("0", &["nginx postgresql", "nginx", "postgresql"])
            .status
            .success()
    );
    assert_eq!(host.read(POLICY).as_deref(), Some("#!/bin/sh\nexit 0\n"));
    assert_eq!(host.read(CLUSTER).as_deref(), Some("ssl = on\n"));
    assert_eq!(
        host.read("disabled"),
        None,
        "a service that was there keeps its state"
    );
}

#[test]
fn the_shipped_cluster_settings_come_back() {
    let host = Host::new("shipped");
    host.write("usr/share/postgresql-common/createcluster.conf", "ssl = on\n");
    host.write("etc/postgresql-common/createcluster.conf.ucf-dist", "ssl = on\n");
    assert!(host.install("0", &["", "postgresql"]).status.success());
    assert_eq!(host.read(CLUSTER).as_deref(), Some("ssl = on\n"));
    assert_eq!(
        host.read("etc/postgresql-common/createcluster.conf.ucf-dist"),
        None
    );
}

#[test]
fn a_failure_also_puts_everything_back() {
    let host = Host::new("failure");
    assert_eq!(host.install("100", &["nginx", "nginx"]).status.code(), Some(100));
    assert_eq!((host.read(POLICY), host.read("disabled")), (None, None));
}

#[test]
fn what_a_killed_run_left_is_healed() {
    let host = Host::new("killed");
    host.program("apt-get", "kill -9 $PPID");
    host.write(CLUSTER, "ssl = on\n");
    assert!(!host.install("0", &["", "postgresql"]).status.success());
    assert!(host.read(POLICY).is_some(), "the kill left it behind");
    host.program("apt-get", "exit 0");
    assert!(host.install("0", &["", "git"]).status.success());
    assert_eq!(
        (host.read(POLICY), host.read(CLUSTER).as_deref()),
        (None, Some("ssl = on\n"))
    );
}

#[test]
fn an_ordinary_user_gets_one_line_to_run() {
    assert!(
        sudo_line(&["nginx", "git"]).contains("\n  sudo apt-get install --no-install-recommends nginx git\n")
    );
}

#[test]
fn lists_are_old_when_missing_or_a_day_behind() {
    let host = Host::new("lists");
    let lists = host.0.join("lists");
    assert!(lists_are_old(&lists, SystemTime::now()), "no directory");
    host.write("lists/lock", "");
    assert!(lists_are_old(&lists, SystemTime::now()), "no lists in it");
    host.write("lists/mirror_dists_stable_main_binary-amd64_Packages.lz4", "");
    assert!(!lists_are_old(&lists, SystemTime::now()));
    assert!(lists_are_old(&lists, SystemTime::now() + 2 * LISTS_AGE));
}
