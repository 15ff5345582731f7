//! What is wrong with the file.
use crate::place::{GOOD, Place};

#[test]
fn a_broken_file_is_shown_with_its_place() {
    let place = Place::with(&GOOD.replace("[web]", "[web"));
    for command in ["up", "plan", "status", "render", "down", "sizing"] {
        place.refuses(&[command], 3, &["odoopack.toml", "7"]);
    }
}

#[test]
fn an_unknown_key_comes_with_a_suggestion() {
    let place = Place::with(&GOOD.replace("https_port", "https_prot"));
    place.refuses(&["up", "--yes"], 3, &["https_prot", "did you mean", "https_port"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file = GOOD
        .replace("http_port = 18080", "http_port = \"eighty\"")
        .replace("19.0", "12.0");
    Place::with(&file).refuses(&["up", "--yes"], 3, &["expected a port", "12.0"]);
}

#[test]
fn two_environments_cannot_have_one_domain() {
    let file = format!("{GOOD}[environments.staging]\ndomain = \"localhost\"\n");
    Place::with(&file).refuses(&["up", "--yes"], 3, &["localhost", "staging", "production"]);
}

#[test]
fn a_root_that_no_socket_fits_below_is_refused() {
    let mut place = Place::empty();
    place.root = place.root.join("a".repeat(100));
    place.write("repo/odoopack.toml", GOOD);
    place.refuses(&["up", "--yes"], 3, &["socket", "bytes"]);
}

#[test]
fn a_pair_of_source_and_series_that_does_not_exist_is_refused() {
    Place::with(&GOOD.replace("19.0", "18.0")).refuses(&["up", "--yes"], 3, &["18.0", "debian"]);
}

#[test]
fn a_pair_of_series_and_postgresql_that_does_not_fit_is_refused() {
    let place = Place::with(&format!("{GOOD}[postgres]\nversion = 12\n"));
    place.refuses(&["up", "--yes"], 3, &["needs PostgreSQL 13"]);
}

#[test]
fn a_directory_of_modules_that_is_not_there_is_named_with_its_key() {
    for (key, line) in [
        ("own", "own = [\"addons/shop\", \"addons/typo\"]"),
        ("oca", "oca = \"addons/typo\""),
    ] {
        let place = Place::with(&format!("{GOOD}[addons]\n{line}\n"));
        place.write("repo/addons/shop/README.md", "none yet");
        let key = format!("`{key}` of [addons]");
        let words = ["repo/addons/typo, which", &key, "mkdir -p"];
        place.refuses(&["plan"], 4, &words);
        place.refuses(&["up", "--yes"], 4, &words);
        place.refuses(&["module", "check"], 8, &words);
        std::fs::create_dir(place.root.join("repo/addons/typo")).unwrap();
        place.refuses(&["plan"], 0, &["`odoopack up"]);
    }
    // Checkouts of what the lock names are for people, and a server has none.
    let file = "[addons]\noca = \"addons/oca\"\n[addons.repositories.web]\n";
    let place = Place::with(&format!("{GOOD}{file}"));
    place.refuses(&["plan"], 4, &["odoopack lock"]);
}

#[test]
fn no_file_is_no_pack() {
    let place = Place::empty();
    place.refuses(&["up", "--yes"], 3, &["no `odoopack.toml`", "odoopack init"]);
    place.refuses(&["demo", "--down"], 0, &["nothing to do"]);
}
