//! Checksums of modules, as this program and as click-odoo-update itself computes them.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::addons;
use super::machine::{must, must_with};

/// Hashes every module below the directories with the function of click-odoo-update; reads one request per line.
const THEIRS: &str = r#"
import importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("theirs", sys.argv[1])
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)
for line in sys.stdin:
    patterns, languages, *tops = json.loads(line)
    patterns = [p.strip() for p in patterns.split(",")]
    found = {}
    for top in tops:
        for name in sorted(os.listdir(top)):
            if os.path.isfile(os.path.join(top, name, "__manifest__.py")):
                found[name] = theirs.addon_hash(os.path.join(top, name), patterns, languages)
    print(json.dumps(found))
"#;

const USUAL: &str = "*.pyc,*.pyo,i18n/*.pot,i18n_extra/*.pot,static/*,tests/*";

pub(crate) struct Case {
    pub(crate) patterns: String,
    pub(crate) languages: Vec<&'static str>,
}

pub(crate) type Checksums = BTreeMap<String, String>;

pub(crate) fn theirs(tops: &[Utf8PathBuf], cases: &[Case]) -> Vec<Checksums> {
    let lines: Vec<String> = cases
        .iter()
        .map(|case| {
            let mut request = vec![
                serde_json::json!(case.patterns),
                serde_json::json!(case.languages),
            ];
            request.extend(tops.iter().map(|top| serde_json::json!(top)));
            serde_json::to_string(&request).unwrap()
        })
        .collect();
    let module = addons::unpacked("click-odoo-contrib", "1.24").join("click_odoo_contrib/_addon_hash.py");
    let said = must_with("python3", &["-c", THEIRS, module.as_str()], &lines.join("\n"));
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn ours(tops: &[Utf8PathBuf], case: &Case) -> Checksums {
    let mut args = vec!["module", "hash", "--json", "--exclude", &case.patterns];
    args.extend(case.languages.iter().flat_map(|code| ["--language", code]));
    args.extend(tops.iter().map(|top| top.as_str()));
    let said = must(env!("CARGO_BIN_EXE_odoopack"), &args);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    serde_json::from_value(said["checksums"].clone()).unwrap()
}

pub(crate) fn usual(languages: &[&'static str]) -> Case {
    Case {
        patterns: USUAL.to_owned(),
        languages: languages.to_vec(),
    }
}
