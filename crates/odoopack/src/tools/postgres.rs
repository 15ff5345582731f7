//! PostgreSQL's server programs: a new cluster, and readiness.
use camino::Utf8Path;

use crate::exec::Cmd;
use odoopack_core::layout::ADMIN_ROLE;

/// Creates a cluster in an empty directory: checksums on, UTF-8, the administrator's role only by operating-system user.
pub(crate) fn initdb(programs: &Utf8Path, cluster: &Utf8Path, user: Option<&str>) -> Cmd {
    let argv = initdb_argv(programs, cluster);
    Cmd::new(argv[0].clone())
        .args(argv.into_iter().skip(1))
        .user(user)
        .bare()
        .umask(0o077)
        .directory(cluster)
}

/// The same as words, for a container.
pub(crate) fn initdb_argv(programs: &Utf8Path, cluster: &Utf8Path) -> Vec<String> {
    [
        programs.join("initdb").as_str(),
        "-D",
        cluster.as_str(),
        &format!("--username={ADMIN_ROLE}"),
        "--auth-local=peer",
        "--auth-host=reject",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-instructions",
    ]
    .map(str::to_owned)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_cluster_has_checksums_and_no_password_login() {
        assert_eq!(
            initdb("/pg/bin".into(), "/d".into(), Some("odoo-demo-postgres")).to_string(),
            "/pg/bin/initdb -D /d --username=odoopack --auth-local=peer --auth-host=reject --data-checksums \
             --encoding=UTF8 --locale=C.UTF-8 --no-instructions"
        );
    }
}
