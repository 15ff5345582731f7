//! `.gitmodules`: an ini file of git, one section per submodule.
use super::{Found, Imported, foreign, plain_name, unusual};
use crate::foreign::address;
use crate::spec::Series;

/// One section.
#[derive(Default)]
struct Section {
    path: Option<String>,
    url: Option<String>,
    branch: Option<String>,
}

pub(super) fn read(file: &str, text: &str, series: Series, all: &mut Imported) {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("[submodule") {
            sections.push(Section::default());
        } else if let (Some((key, value)), Some(section)) = (line.split_once('='), sections.last_mut()) {
            let value = Some(value.trim().trim_matches('"').to_owned());
            match key.trim() {
                "path" => section.path = value,
                "url" => section.url = value,
                "branch" => section.branch = value,
                _ => {}
            }
        }
    }
    if all.recorded.is_empty() && !sections.is_empty() {
        all.leave(
            file,
            "the commits of the submodules: no index of git beside the file holds any",
        );
    }
    for section in sections {
        one(file, section, series, all);
    }
}

fn one(file: &str, section: Section, series: Series, all: &mut Imported) {
    let (Some(path), Some(url)) = (section.path, section.url) else {
        all.leave(file, "a submodule without `path` or `url`");
        return;
    };
    if url.starts_with("./") || url.starts_with("../") {
        all.leave(
            file,
            format!("`{path}`: `{url}` depends on where the pack was cloned from"),
        );
        return;
    }
    let found = Found {
        url: Some(url.clone()),
        branch: section
            .branch
            .filter(|b| b != ".")
            .and_then(|b| unusual(&b, series)),
        commit: all.recorded.get(&path).cloned(),
        ..Found::default()
    };
    if found.commit.is_none() && !all.recorded.is_empty() {
        all.leave(
            file,
            format!("the commit of `{path}`: the index of git beside the file holds none"),
        );
    }
    if matches!(address::name(&url).to_ascii_lowercase().as_str(), "odoo" | "ocb") {
        all.take_odoo(file, found);
        return;
    }
    let Some(name) = plain_name(&path) else {
        all.leave(file, format!("`{path}` is no name of a repository"));
        return;
    };
    if let Some((directory, _)) = path.rsplit_once('/') {
        match &all.directory {
            Some(known) if known != directory => all.leave(
                file,
                format!("`{path}` stands elsewhere; in the pack it will be `{known}/{name}`"),
            ),
            Some(_) => {}
            None => all.directory = Some(directory.to_owned()),
        }
    }
    let url = foreign(&url, &name);
    all.add(file, &name, Found { url, ..found });
}
