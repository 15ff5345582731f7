//! The key of the repository: made once, kept 0600, shown only when asked for.
use camino::Utf8PathBuf;
use odoopack_core::hash;
use odoopack_core::layout::Layout;
use odoopack_core::secret::SecretText;
use rand::Rng;

use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::store::secrets;

/// Name of the secret that holds it.
pub(crate) const NAME: &str = "BACKUP_KEY";
/// Without those that are mistaken for another when read from paper.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The key that is kept here; `None` when none was made yet.
pub(crate) fn stored(layout: &Layout) -> Result<Option<SecretText>> {
    Ok(secrets::all(&layout.secrets())?.remove(NAME))
}

/// The key that is kept here.
///
/// # Errors
/// Kind `Refused` when there is none.
pub(crate) fn of(layout: &Layout) -> Result<SecretText> {
    stored(layout)?.ok_or_else(|| {
        let failure = Failure::refused(format!("there is no backup key here (secret {NAME})"));
        let bring = format!("`odoopack secret set {NAME} < FILE` brings the one of an existing repository");
        if layout.backups().join("config").exists() {
            return failure.hint(bring);
        }
        failure
            .hint("`odoopack backup create` makes one with the repository")
            .hint(bring)
    })
}

/// Makes a key and keeps it.
pub(crate) fn make(layout: &Layout) -> Result<SecretText> {
    let key = generate();
    if !layout.secrets().is_dir() {
        files::directory(&layout.secrets(), 0o700, None)?;
    }
    secrets::set(&layout.secrets(), NAME, &key)?;
    Ok(SecretText::new(key))
}

/// Seven groups of four, 140 bits: `ABCD-EFGH-...`.
fn generate() -> String {
    let mut rng = rand::rng();
    let mut group = || -> String {
        (0..4)
            .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
            .collect()
    };
    (0..7).map(|_| group()).collect::<Vec<_>>().join("-")
}

fn confirmation(layout: &Layout) -> Utf8PathBuf {
    layout.state().join("backup-key-confirmed")
}

/// Whether somebody has shown to have the key elsewhere.
pub(crate) fn is_confirmed(layout: &Layout) -> Result<bool> {
    let Some(key) = stored(layout)? else {
        return Ok(false);
    };
    let noted = files::read_text(&confirmation(layout))?;
    Ok(noted.is_some_and(|noted| noted.trim() == fingerprint(&key)))
}

/// Notes that somebody has the key elsewhere, when what they gave is the key.
pub(crate) fn confirm(layout: &Layout, given: &str) -> Result<()> {
    let key = of(layout)?;
    if given.trim() != key.expose() {
        return Err(Failure::new(Kind::Refused, "this is not the key of the backups")
            .hint("`odoopack backup key export` shows it on a terminal"));
    }
    let text = fingerprint(&key) + "\n";
    files::replace(&confirmation(layout), text.as_bytes(), 0o640, None)
}

/// Names a key without telling anything of it.
fn fingerprint(key: &SecretText) -> String {
    hash::hex(format!("odoopack backup key {}", key.expose()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_be_read_from_paper_and_no_two_are_alike() {
        let (one, two) = (generate(), generate());
        assert_eq!((one.len(), one.split('-').count()), (34, 7));
        assert!(!one.contains(['0', 'O', '1', 'I']) && one != two, "{one} {two}");
    }

    #[test]
    fn only_the_right_key_confirms_and_another_key_needs_another_confirmation() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let layout = Layout::new(&root, &"demo".parse().unwrap(), false);
        files::directory_all(&layout.state()).unwrap();
        let key = make(&layout).unwrap();
        assert!(!is_confirmed(&layout).unwrap());
        assert_eq!(confirm(&layout, "wrong").unwrap_err().kind, Kind::Refused);
        confirm(&layout, &format!("{}\n", key.expose())).unwrap();
        assert!(is_confirmed(&layout).unwrap());
        make(&layout).unwrap();
        assert!(!is_confirmed(&layout).unwrap());
    }
}
