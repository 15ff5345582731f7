//! Secret values: one file each below `data/secrets` (0600, ours), or a variable `ODOOPACK_SECRET_NAME`.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::secret::SecretText;

use crate::failure::{Failure, Result};
use crate::files;

/// Variables that hold secrets begin with this; the rest is the name.
pub(crate) const VARIABLE: &str = "ODOOPACK_SECRET_";

/// All values, those of variables first.
///
/// # Errors
/// When a file may be read by others or belongs to somebody else.
pub(crate) fn all(directory: &Utf8Path) -> Result<BTreeMap<String, SecretText>> {
    let mut all = BTreeMap::new();
    for name in names(directory)? {
        all.insert(name.clone(), read(directory, &name)?);
    }
    all.extend(from_variables(std::env::vars_os())?);
    Ok(all)
}

/// Those among variables; what the caller has else may be no text.
fn from_variables(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, SecretText>> {
    let mut all = BTreeMap::new();
    for (variable, value) in variables {
        let Some(name) = variable.to_str().and_then(|text| text.strip_prefix(VARIABLE)) else {
            continue;
        };
        let value = value.into_string().map_err(|_| {
            Failure::refused(format!("the variable `{VARIABLE}{name}` is not UTF-8")).hint(format!(
                "`odoopack secret set {name} < FILE` stores a value instead"
            ))
        })?;
        all.insert(name.to_owned(), SecretText::new(value));
    }
    Ok(all)
}

/// Whether a variable gives the value, which then counts before a stored one.
pub(crate) fn in_variable(name: &str) -> bool {
    std::env::var_os(format!("{VARIABLE}{name}")).is_some()
}

/// Names of the stored values, sorted.
pub(crate) fn names(directory: &Utf8Path) -> Result<Vec<String>> {
    let entries = files::read_entries(directory)?;
    let names = entries.iter().map(|entry| entry.file_name().to_owned());
    let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
    names.sort();
    Ok(names)
}

/// Whether `name` can be the name of a secret: `[A-Z][A-Z0-9_]*`.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn read(directory: &Utf8Path, name: &str) -> Result<SecretText> {
    let path = directory.join(name);
    let metadata = std::fs::symlink_metadata(&path)
        .map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e))?;
    let owner = rustix::process::geteuid().as_raw();
    if !metadata.is_file() || metadata.mode() & 0o077 != 0 || metadata.uid() != owner {
        return Err(
            Failure::refused(format!("`{path}` must be a file of mode 0600 that belongs to us"))
                .hint(format!("`chown {owner} {path} && chmod 0600 {path}`")),
        );
    }
    let text = files::read_text(&path)?.unwrap_or_default();
    Ok(SecretText::new(text.strip_suffix('\n').unwrap_or(&text)))
}

/// Stores a value.
pub(crate) fn set(directory: &Utf8Path, name: &str, value: &str) -> Result<()> {
    files::replace(
        &path(directory, name),
        format!("{value}\n").as_bytes(),
        0o600,
        None,
    )
}

/// The file of one value.
pub(crate) fn path(directory: &Utf8Path, name: &str) -> Utf8PathBuf {
    directory.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_value_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let keep = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(keep.path()).unwrap();
        set(directory, "SMTP", "user:geheim").unwrap();
        assert_eq!(all(directory).unwrap()["SMTP"].expose(), "user:geheim");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path(directory, "SMTP"), open).unwrap();
        let failure = all(directory).unwrap_err();
        assert!(failure.to_string().contains("0600") && !failure.chain().join("").contains("geheim"));
    }

    #[test]
    fn variables_of_the_caller_may_be_no_text_but_a_secret_must_be() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || OsString::from_vec(b"caf\xe9".to_vec());
        let ours = |name: &str| OsString::from(format!("{VARIABLE}{name}"));
        let fine = [(odd(), odd()), ("LC".into(), odd()), (ours("A"), "b".into())];
        let found = from_variables(fine.into_iter()).unwrap();
        assert_eq!((found.len(), found["A"].expose()), (1, "b"));
        let failure = from_variables([(ours("A"), odd())].into_iter()).unwrap_err();
        assert!(failure.to_string().contains("`ODOOPACK_SECRET_A` is not UTF-8"));
    }

    #[test]
    fn names_are_upper_case_words() {
        assert!(is_name("PRODUCTION_ADMIN") && !is_name("admin") && !is_name("../X") && !is_name(""));
    }
}
