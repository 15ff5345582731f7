//! The text files of the working tree.
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What a build, a version control system or a package manager put there.
const NOT_OURS: &[&str] = &["target", ".git", "node_modules", "__pycache__"];

/// Copies of what others wrote: links may lead there, and nothing else is asked of them.
const COPIES: &str = "vendor/";

/// Generated data of this size is nobody's text.
const TOO_BIG: u64 = 4 * 1024 * 1024;

/// One text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}

/// All text files, by path; and the names of everything, for links.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    /// Files and directories, those that are no text included.
    pub(crate) paths: Vec<String>,
}

impl Tree {
    /// Reads the tree below `root`. The directory is walked, since git may be missing or refuse another owner's clone.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.walk(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn walk(&mut self, directory: &Path, prefix: &str) -> Result<()> {
        let entries =
            fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (path, kind) = (format!("{prefix}{name}"), entry.file_type()?);
            if NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() && !path.starts_with(COPIES) && entry.metadata()?.len() <= TOO_BIG {
                let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
                if let Ok(text) = String::from_utf8(bytes) {
                    self.files.push(File {
                        path: path.clone(),
                        text,
                    });
                }
            }
            self.paths.push(path);
        }
        Ok(())
    }

    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
    }

    /// A tree made of `(path, text)`, for the rules' own tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self {
            files: files.iter().map(file).collect(),
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        }
    }
}

/// What a rule says about such a tree.
#[cfg(test)]
pub(crate) fn said(rule: fn(&Tree) -> Vec<super::Note>, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::of(files)).iter().map(ToString::to_string).collect()
}
