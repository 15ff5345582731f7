//! The jobs of the file, run whole where production and its copy run.
use super::{databases, sql};
use crate::support::Pack;

const BARE: &str = "[environments.staging]\n";

pub(crate) fn jobs_of_the_file_do_what_they_say(pack: &Pack) {
    pack.now("the jobs of the file: a backup, a drill, a refresh");
    let before = pack.read("repo/odoopack.toml");
    // No night of this test's own: they are begun by hand.
    let later = jiff::Zoned::now().weekday().wrapping_add(3);
    let later = &format!("{later:?}")[..3];
    let planned = format!(
        "[backup]\nschedule = \"{later} 03:00\"\ndrill = \"{later} 04:00\"\n\n{BARE}copy_of = \"production\"\nrefresh = \"{later} 05:00\"\n"
    );
    pack.edit_file(BARE, &planned);
    pack.run(&["up", "--yes"]).exits(0);
    let names = || -> Vec<String> {
        let list = pack.json(&["backup", "list"]);
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["snapshot"].as_str().unwrap().to_owned())
            .collect()
    };
    let known = names();
    let run = |job: &str| pack.run(&["schedule", "run", job]).exits(0);

    run("backup-production");
    let newest = names().pop().unwrap();
    assert!(!known.contains(&newest), "{newest} was there before");

    run("drill-production");
    let status = pack.run(&["backup", "status", "--json"]).first_json();
    let row = &status["status"]["environments"][0];
    assert_eq!(row["proven"]["snapshot"], newest.as_str(), "{status}");

    let own = "INSERT INTO ir_config_parameter (key, value) VALUES ('restore.staging', 'own')";
    sql(pack, "restore_staging", own);
    let kept = databases(pack);
    run("refresh-staging");
    let of_staging = "SELECT count(*) FROM ir_config_parameter WHERE key = 'restore.staging'";
    assert_eq!(sql(pack, "restore_staging", of_staging), "0", "it is as it was");
    assert_eq!(databases(pack), kept, "what it replaced is discarded");
    pack.run(&["env", "check", "staging"]).exits(0);
    let mut site = pack.site();
    "staging.localhost".clone_into(&mut site.domain);
    let session = site
        .sign_in("restore_staging", &pack.secret("STAGING_ADMIN"))
        .unwrap();
    session.picture_goes_round();

    let listed = pack.run(&["schedule", "list", "--json"]).first_json();
    for job in ["backup-production", "drill-production", "refresh-staging"] {
        let rows = listed["jobs"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == job).unwrap();
        assert_eq!(
            (&row["good"], &row["past"]["last"]["outcome"]),
            (&true.into(), &"done".into()),
            "{row}"
        );
    }
    pack.write("repo/odoopack.toml", &before);
    pack.run(&["up", "--yes"]).exits(0);
}
