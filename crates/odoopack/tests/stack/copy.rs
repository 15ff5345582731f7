//! A snapshot of one environment becomes what another one serves.

use crate::support::Pack;
use crate::support::stack::must;

fn admin(pack: &Pack, database: &str, sql: &str) -> String {
    let args = ["psql", "production", "--admin", "--", "-d", database, "-Atc", sql];
    pack.run(&args).exits(0).stdout.trim().to_owned()
}

/// Its containers stop and start around it.
pub(crate) fn is_served(pack: &Pack) {
    pack.now("a snapshot of production in the place of another environment");
    pack.run(&["backup", "create", "production"]).exits(0);
    let databases = || admin(pack, "postgres", "SELECT datname FROM pg_database ORDER BY 1");
    let before = databases();
    pack.run(&["restore", "latest", "--to", "dev", "--yes"]).exits(0);
    pack.run(&["env", "check", "dev"]).exits(0);
    assert_eq!(pack.status()["good"], true);
    let partners = "SELECT string_agg(name, ',' ORDER BY name) FROM res_partner";
    assert_eq!(
        admin(pack, "shop_dev", partners),
        admin(pack, "odoo_core", partners)
    );
    pack.run(&["restore", "--forget-replaced", "dev", "--yes"])
        .exits(0);
    assert_eq!(databases(), before);
    let left = [
        "ps",
        "--all",
        "--filter",
        "name=[.](load|export|boot|look)$",
        "--quiet",
    ];
    assert_eq!(must(&left), "");
}
