//! PostgreSQL's server programs: a new cluster, and readiness.
use camino::Utf8Path;

use crate::exec::Cmd;
use odoopack_core::layout::ADMIN_ROLE;

/// Creates a cluster in an empty directory: checksums on, UTF-8, the administrator's role only by operating-system user.
pub(crate) fn initdb(programs: &Utf8Path, cluster: &Utf8Path, user: Option<&str>) -> Cmd {
    Cmd::new(programs.join("initdb"))
        .args(["-D", cluster.as_str()])
        .arg(format!("--username={ADMIN_ROLE}"))
        .args(["--auth-local=peer", "--auth-host=reject", "--data-checksums"])
        .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"])
        .user(user)
        .bare()
        .umask(0o077)
        .directory(cluster)
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
