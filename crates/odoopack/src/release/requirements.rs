//! What the Python environment must hold: the source's own list, the pack's files, and our corrections.
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::python_pins::{self, Pins, Wanted};
use odoopack_core::spec::{Series, Spec};

use crate::failure::{Failure, Result};
use crate::files;

/// Deepest nesting of `-r` in requirement files.
const DEPTH: usize = 8;

/// Everything that a resolution starts from.
#[derive(Debug)]
pub(super) struct Requirements {
    series: Series,
    /// The source's own list.
    source: String,
    /// Whether that list leaves versions open.
    open: bool,
    /// The pack's files.
    own: Vec<Utf8PathBuf>,
    /// The text of the pack's files and of those they include.
    own_texts: Vec<String>,
    /// What the modules of the lock need.
    needs: Vec<String>,
}

impl Requirements {
    /// Reads the lists of a tree and of a pack.
    pub(super) fn read(spec: &Spec, repo: &Utf8Path, tree: &Utf8Path, needs: &[String]) -> Result<Self> {
        let (source, open) = source_list(tree)?;
        let source = [source, python_pins::for_spec(spec)].concat();
        let (own, own_texts) = own_lists(spec, repo)?;
        Ok(Self {
            series: spec.odoo.series,
            source,
            open,
            own,
            own_texts,
            needs: needs.to_vec(),
        })
    }

    /// The pack's own lists, what modules need, what reading that needs and what keys of the file need, for an image that has
    /// Odoo's; `None` when nothing is wanted.
    pub(super) fn beside_an_image(spec: &Spec, repo: &Utf8Path, needs: &[String]) -> Result<Option<Self>> {
        let more = more(spec, repo, needs)?;
        Self::for_image(spec, repo, [needs, &more].concat())
    }

    /// The same for every choice of what is wanted beside the pack's own lists and what modules need.
    pub(super) fn with_any_keys(spec: &Spec, repo: &Utf8Path, needs: &[String]) -> Result<Vec<Option<Self>>> {
        let mut choices = vec![needs.to_vec()];
        for key in more(spec, repo, needs)? {
            let more = choices
                .iter()
                .map(|choice| [choice.as_slice(), std::slice::from_ref(&key)].concat());
            let more: Vec<_> = more.collect();
            choices.extend(more);
        }
        let all = choices.into_iter();
        all.map(|needs| Self::for_image(spec, repo, needs)).collect()
    }

    fn for_image(spec: &Spec, repo: &Utf8Path, needs: Vec<String>) -> Result<Option<Self>> {
        if spec.addons.requirements.is_empty() && needs.is_empty() {
            return Ok(None);
        }
        let (own, own_texts) = own_lists(spec, repo)?;
        Ok(Some(Self {
            series: spec.odoo.series,
            source: String::new(),
            open: false,
            own,
            own_texts,
            needs,
        }))
    }

    /// Every requirement by itself, without comments and options.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        let own = self.own_texts.iter().flat_map(|text| text.lines());
        own.chain(self.needs.iter().map(String::as_str))
            .map(|line| {
                let end = line.find(" #").or_else(|| line.find(" --")).unwrap_or(line.len());
                line[..end].trim().trim_end_matches('\\').trim_end()
            })
            .filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
    }

    /// Whether files of the pack have a part in it, which may say more than [`Self::lines`] tells.
    pub(super) const fn has_files(&self) -> bool {
        !self.own.is_empty()
    }

    /// The requirement file for the resolver, without anything of Odoo's own.
    pub(super) fn alone(&self) -> String {
        let own = self.own.iter().flat_map(|file| ["-r ", file.as_str(), "\n"]);
        let needs = self.needs.iter().flat_map(|need| [need.as_str(), "\n"]);
        own.chain(needs).collect()
    }

    /// Our corrections on one Python version.
    pub(super) fn pins(&self, python: (u16, u16)) -> Pins {
        let own: BTreeSet<String> = self
            .own_texts
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(python_pins::name_of)
            .collect();
        let wanted = Wanted {
            series: self.series,
            list: &self.source,
            open: self.open,
        };
        let mut pins = python_pins::pins(&wanted, python, &own);
        pins.constraints += &python_pins::of_series(self.series, &own);
        pins
    }

    /// The requirement file for the resolver.
    pub(super) fn text(&self, pins: &Pins) -> String {
        let own: String = self
            .own
            .iter()
            .flat_map(|file| ["-r ", file.as_str(), "\n"])
            .collect();
        let needs = self.needs.join("\n");
        format!("{}\n{}\n{own}{needs}\n", self.source, pins.additions)
    }

    /// A hash of everything, whatever files it is spread over.
    pub(super) fn hash(&self) -> String {
        let ours = format!("{:?}{}{}", self.series, self.open, python_pins::tables());
        let all: Vec<&str> = [&self.source, &ours]
            .into_iter()
            .chain(&self.own_texts)
            .chain(&self.needs)
            .map(String::as_str)
            .collect();
        super::sha256(all.join("\0").as_bytes())
    }
}

/// What keys of the file need, and what Odoo needs to read what modules need, without what the pack's own lists decide.
fn more(spec: &Spec, repo: &Utf8Path, needs: &[String]) -> Result<Vec<String>> {
    let (_, texts) = own_lists(spec, repo)?;
    let lines = texts.iter().flat_map(|text| text.lines());
    let own: BTreeSet<String> = lines.filter_map(python_pins::name_of).collect();
    let mut more = python_pins::for_spec(spec);
    if !needs.iter().all(|need| is_a_name(need)) {
        more.push_str(READER);
    }
    let more = more
        .lines()
        .filter(|line| python_pins::name_of(line).is_some_and(|name| !own.contains(&name)));
    Ok(more.map(str::to_owned).collect())
}

/// The package by which Odoo reads a version; odoo:17.0 lacks it.
const READER: &str = "packaging";

/// Whether Odoo reads a need without that package.
///
/// # Source
/// `odoo/modules/module.py`, 17.0 to 19.0: without that package a need with a version or a marker stops the installation.
fn is_a_name(need: &str) -> bool {
    need.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// The source's list, and whether it leaves versions open: `requirements.txt` of a checkout names them, the metadata
/// of a package does not.
fn source_list(tree: &Utf8Path) -> Result<(String, bool)> {
    if let Some(text) = files::read_text(&tree.join("requirements.txt"))? {
        return Ok((text, false));
    }
    let file = metadata(&tree.join("usr/lib/python3/dist-packages")).ok_or_else(|| {
        Failure::refused(format!("`{tree}` does not say which Python packages it needs"))
            .because("there is neither `requirements.txt` nor the metadata of a package")
    })?;
    let text = files::read_text(&file)?.unwrap_or_default();
    Ok((python_pins::from_metadata(&text).join("\n"), true))
}

fn metadata(packages: &Utf8Path) -> Option<Utf8PathBuf> {
    let entries = packages.read_dir_utf8().ok()?.filter_map(std::result::Result::ok);
    let mut candidates = entries
        .filter(|entry| entry.file_name().starts_with("odoo-"))
        .map(|entry| {
            let name = if entry.file_name().ends_with(".egg-info") {
                "PKG-INFO"
            } else {
                "METADATA"
            };
            entry.path().join(name)
        });
    candidates.find(|path| path.is_file())
}

/// The pack's own lists, and their texts with those that they include.
fn own_lists(spec: &Spec, repo: &Utf8Path) -> Result<(Vec<Utf8PathBuf>, Vec<String>)> {
    let own = spec.addons.requirements.iter().map(|file| repo.join(file));
    let own: Vec<Utf8PathBuf> = own.collect();
    let mut texts = Vec::new();
    for file in &own {
        read_with_included(file, DEPTH, &mut texts)?;
    }
    Ok((own, texts))
}

fn read_with_included(file: &Utf8Path, depth: usize, texts: &mut Vec<String>) -> Result<()> {
    let text = files::read_text(file)?.ok_or_else(|| {
        Failure::refused(format!("there is no requirement file `{file}`"))
            .hint("correct `requirements` in [addons], or add the file")
    })?;
    for line in text.lines().map(str::trim).filter(|_| depth > 0) {
        let included = ["-r ", "--requirement ", "-c ", "--constraint "]
            .iter()
            .find_map(|o| line.strip_prefix(o));
        if let Some(name) = included {
            read_with_included(&file.with_file_name(name.trim()), depth - 1, texts)?;
        }
    }
    texts.push(text);
    Ok(())
}
