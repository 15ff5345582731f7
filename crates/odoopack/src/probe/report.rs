//! `report`: one PDF is printed, and with its styles.
use std::time::Duration;

use super::client::{Client, Judged, Step};
use super::http::Answer;
use super::session;

/// Reports that `base` and `web` have in every series, printed for record 1.
const REPORTS: [&str; 2] = [
    "/report/pdf/base.report_irmodeloverview/1",
    "/report/pdf/web.preview_internalreport/1",
];

/// The first report after a start also builds its style sheets.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn report(client: &Client<'_>) -> Step<Judged> {
    let Some(who) = &client.site.sign_in else {
        return Ok(Judged::skip(client.url(REPORTS[0]), "nobody to sign in as"));
    };
    if !client.site.prints {
        return Ok(Judged::skip(
            client.url(REPORTS[0]),
            "the program that prints is not there",
        ));
    }
    session::ensure(client, who)?;
    let mut target = REPORTS[0];
    let mut answer = client.get_within(target, PATIENCE)?;
    if answer.status == 404 {
        target = REPORTS[1];
        answer = client.get_within(target, PATIENCE)?;
    }
    judge(client.url(target), &answer)
}

fn judge(url: String, answer: &Answer) -> Step<Judged> {
    if answer.status != 200 || !answer.body.starts_with(b"%PDF") {
        return Err(Judged::instead(url, answer, "a PDF"));
    }
    let size = answer.body.len();
    if let Some(font) = plain_font(&answer.body) {
        let detail = format!(
            "the PDF ({size} bytes) has no styles: it is set in {font}; wkhtmltopdf could not fetch them, see `report.url`"
        );
        return Err(Judged::fail(url, Some(200), detail));
    }
    Ok(Judged::pass(url, 200, format!("{size} bytes, with styles")))
}

/// The serif font that wkhtmltopdf falls back to when no style sheet arrived: Odoo's own all ask for sans-serif.
///
/// # Source
/// Seen with wkhtmltopdf 0.12.6 and Odoo 19.0: unstyled `/FontName /QMAAAA+DejaVuSerif`; styled text is set in web
/// fonts, which unpatched Qt draws as shapes and patched Qt embeds under their own names.
fn plain_font(pdf: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(pdf);
    let names = text
        .match_indices("/FontName /")
        .map(|(at, found)| &text[at + found.len()..]);
    let names = names.map(|rest| {
        rest.split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap_or_default()
    });
    let serif = |name: &&str| {
        ["Serif", "Times", "Roman", "Tinos"]
            .iter()
            .any(|word| name.contains(word))
    };
    let sans = |name: &&str| name.contains("Sans");
    let mut found = names.filter(serif).filter(|name| !sans(name));
    found
        .next()
        .map(|name| name.rsplit('+').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_unstyled_pdf_is_known_by_its_font() {
        let serif = b"%PDF-1.4\n<</Type /FontDescriptor\n/FontName /QMAAAA+DejaVuSerif\n/Flags 4>>";
        assert_eq!(super::plain_font(serif).as_deref(), Some("DejaVuSerif"));
        for styled in [
            "%PDF-1.4\n/FontName /QMAAAA+Lato-Regular\n",
            "%PDF-1.4\n",
            "/FontName /X+NotoSansSerifish\n",
        ] {
            assert_eq!(super::plain_font(styled.as_bytes()), None, "{styled}");
        }
    }
}
