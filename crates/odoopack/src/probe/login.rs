//! `login`: the login page is Odoo's, and every file that it names arrives.
use std::collections::BTreeSet;

use super::client::{Client, Judged, Step, came};
use super::http::Answer;
use super::page::{Asset, Kind, named_by_page, named_by_style};

pub(super) const LOGIN: &str = "/web/login";

/// More files than this on a login page are not asked for; a website's may show a whole shop.
const MOST: usize = 300;
/// Files that are named when several fail.
const NAMED: usize = 3;

pub(super) fn login(client: &Client<'_>) -> Step<Judged> {
    let page = login_page(client)?;
    let mut files = Files::default();
    for asset in named_by_page(&page, &client.site.base(), LOGIN) {
        files.ask(client, asset, By::Page);
    }
    for asset in std::mem::take(&mut files.named_by_styles) {
        files.ask(client, asset, By::Style);
    }
    files.judge(client)
}

/// The login page, when it is one.
pub(super) fn login_page(client: &Client<'_>) -> Step<String> {
    let answer = client.get(LOGIN)?;
    let text = answer.text();
    let is_odoos =
        text.contains("oe_login_form") || (text.contains("csrf_token") && text.contains("name=\"login\""));
    if answer.status == 200 && is_odoos {
        return Ok(text);
    }
    Err(Judged::instead(client.url(LOGIN), &answer, "Odoo's login page"))
}

/// Who names a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Page,
    Style,
}

#[derive(Default)]
struct Files {
    asked: BTreeSet<String>,
    bytes: usize,
    named_by_styles: BTreeSet<Asset>,
    bad: Vec<(Asset, Judged)>,
    /// Pictures and fonts that are not there, and that nothing but style sheets names.
    missing: Vec<String>,
    left_out: usize,
}

impl Files {
    fn ask(&mut self, client: &Client<'_>, asset: Asset, by: By) {
        if self.asked.contains(&asset.path) {
            return;
        }
        if self.asked.len() >= MOST {
            self.left_out += 1;
            return;
        }
        self.asked.insert(asset.path.clone());
        match arrives(client, &asset) {
            Ok(answer) => {
                self.bytes += answer.body.len();
                if asset.kind == Kind::Style {
                    self.named_by_styles.extend(named_by_style(
                        &answer.text(),
                        &client.site.base(),
                        &asset.path,
                    ));
                }
            }
            Err(judged) if by == By::Style && may_be_missing(&asset, &judged) => {
                self.missing.push(asset.path);
            }
            Err(judged) => self.bad.push((asset, judged)),
        }
    }

    fn judge(self, client: &Client<'_>) -> Step<Judged> {
        let asked = self.asked.len();
        if let Some((_, first)) = self.bad.first() {
            let told: Vec<String> = self
                .bad
                .iter()
                .take(NAMED)
                .map(|(asset, judged)| format!("{}: {}", asset.path, judged.detail))
                .collect();
            let detail = format!("{} of {asked} files are bad: {}", self.bad.len(), told.join("; "));
            return Err(Judged::fail(first.url.clone(), first.code, detail));
        }
        if asked == 0 {
            return Err(Judged::fail(
                client.url(LOGIN),
                Some(200),
                "the page names no file at all",
            ));
        }
        let more = if self.left_out > 0 {
            format!(", {} more not asked for", self.left_out)
        } else {
            String::new()
        };
        let missing = if self.missing.is_empty() {
            String::new()
        } else {
            let some: Vec<&str> = self.missing.iter().take(NAMED).map(String::as_str).collect();
            let count = self.missing.len();
            format!(
                "; missing, and named only by style sheets: {count}: {}",
                some.join(", ")
            )
        };
        let detail = format!("{asked} files, {} KiB{more}{missing}", self.bytes >> 10);
        Ok(Judged::pass(client.url(LOGIN), 200, detail))
    }
}

/// Whether the page is whole without it: Odoo's own style sheets name files that it does not bring.
///
/// # Source
/// `select2.css` of 17.0 and 18.0 names `select2-spinner.gif`, which their packages may lack. Any other answer than 404
/// tells of the server, not of the file.
fn may_be_missing(asset: &Asset, judged: &Judged) -> bool {
    judged.code == Some(404) && !matches!(asset.kind, Kind::Style | Kind::Script)
}

/// A file that is 200, of the right type and not empty: X-Accel files asked for past nginx are 200 and empty (E17).
pub(super) fn arrives(client: &Client<'_>, asset: &Asset) -> Step<Answer> {
    let answer = client.get(&asset.path)?;
    let kind = answer.kind();
    if answer.status == 200 && !answer.body.is_empty() && asset.kind.suits(&kind) {
        return Ok(answer);
    }
    let told = if answer.status == 200 && !answer.body.is_empty() {
        format!("it came as `{kind}`, which browsers refuse here")
    } else {
        came(&answer)
    };
    Err(Judged::fail(client.url(&asset.path), Some(answer.status), told))
}
