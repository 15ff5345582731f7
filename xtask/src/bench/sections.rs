//! The page as sections, one for each piece, each with the day and the commit at which it was measured.
use super::PIECES;

/// What one piece wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) piece: String,
    /// Markdown, as the piece wrote it, with its stamp at the end.
    pub(super) text: String,
}

/// The page's beginning and its sections; the marks are comments of HTML, which no reader of the page sees.
pub(super) fn read(page: &str) -> (&str, Vec<Section>) {
    let mut parts = page.split(MARK);
    let head = parts.next().unwrap_or_default();
    let section = |part: &str| {
        let (piece, text) = part.split_once(MARK_END)?;
        Some(Section {
            piece: piece.to_owned(),
            text: text.to_owned(),
        })
    };
    (head, parts.filter_map(section).collect())
}

/// Puts new sections in the place of those of the same pieces, in the order of the pieces.
/// Sections below another head were measured on another machine: they are left out.
pub(super) fn merged(head: &str, old: &str, new: Vec<Section>) -> String {
    let (old_head, mut all) = read(old);
    if old_head != head {
        all.clear();
    }
    all.retain(|section| new.iter().all(|other| other.piece != section.piece));
    all.extend(new);
    all.sort_by_key(|section| PIECES.iter().position(|piece| *piece == section.piece));
    let sections = all
        .iter()
        .map(|section| format!("{MARK}{}{MARK_END}{}", section.piece, section.text));
    sections.fold(head.to_owned(), |page, section| page + &section)
}

const MARK: &str = "\n<!-- piece: ";
const MARK_END: &str = " -->\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn section(piece: &str, text: &str) -> Section {
        Section {
            piece: piece.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn only_what_was_measured_again_is_replaced() {
        let first = merged(
            "head\n",
            "",
            vec![section("backup", "old\n"), section("start", "kept\n")],
        );
        let page = merged("head\n", &first, vec![section("backup", "new\n")]);
        let both = vec![section("start", "kept\n"), section("backup", "new\n")];
        assert_eq!(read(&page), ("head\n", both));
    }

    #[test]
    fn nothing_of_another_machine_is_kept() {
        let first = merged("one machine\n", "", vec![section("start", "old\n")]);
        let page = merged("another\n", &first, vec![section("backup", "new\n")]);
        assert_eq!(read(&page), ("another\n", vec![section("backup", "new\n")]));
    }
}
