//! "Did you mean": the nearest of a few known words.

/// The known word that `word` was probably meant to be.
///
/// # Shape
/// At most a third of the letters may differ (one, for short words), so that a key which this version simply
/// does not know gets no misleading suggestion.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = word.to_lowercase().replace('-', "_");
    let distance = |k: &str| strsim::damerau_levenshtein(&plain, &k.replace('-', "_"));
    let room = (plain.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|k| (distance(k), k))
        .filter(|(d, k)| *d <= room && *d < k.len())
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// A hint about `word`: the nearest known word, else all of them.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_near_and_nothing_else() {
        let known = ["domain", "demo", "http_port", "env"];
        assert_eq!(nearest("domian", known), Some("domain"));
        assert_eq!(nearest("HTTP-Port", known), Some("http_port"));
        assert_eq!(nearest("refresh", known), None);
        assert_eq!(nearest("", known), None);
    }
}
