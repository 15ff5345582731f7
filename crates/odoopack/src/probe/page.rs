//! What a page and its style sheets name: every file that a browser would ask for.
use std::collections::BTreeSet;

/// What a file has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A style sheet.
    Style,
    /// JavaScript.
    Script,
    /// A picture.
    Image,
    /// A font.
    Font,
    /// Anything but a page.
    Other,
}

/// A file of our own site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asset {
    pub(super) kind: Kind,
    /// Path and query.
    pub(super) path: String,
}

impl Kind {
    /// Whether a content type (lower case, no parameters) suits.
    ///
    /// # Source
    /// Debian's font package links `.woff` names to woff2 files and older servers call fonts octet streams; browsers
    /// look into the bytes of both. For style sheets and scripts they obey the type when `nosniff` is set.
    pub(super) fn suits(self, content_type: &str) -> bool {
        match self {
            Self::Style => content_type == "text/css",
            Self::Script => matches!(
                content_type,
                "text/javascript" | "application/javascript" | "application/x-javascript"
            ),
            Self::Image => content_type.starts_with("image/"),
            Self::Font => content_type.starts_with("font/") || content_type.starts_with("application/"),
            Self::Other => content_type != "text/html",
        }
    }

    fn by_name(path: &str) -> Self {
        let name = path.split(['?', '#']).next().unwrap_or_default();
        match name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .as_deref()
        {
            Some("css") => Self::Style,
            Some("js") => Self::Script,
            Some("png" | "jpg" | "jpeg" | "gif" | "svg" | "ico" | "webp") => Self::Image,
            Some("woff" | "woff2" | "ttf" | "otf" | "eot") => Self::Font,
            _ => Self::Other,
        }
    }
}

/// The files that a page names in its `link`, `script` and `img` tags, lazily loaded ones included.
pub(super) fn named_by_page(html: &str, base: &str, page: &str) -> BTreeSet<Asset> {
    let mut found = BTreeSet::new();
    for tag in tags(html) {
        let Some((kind, reference)) = wanted(&tag) else {
            continue;
        };
        let Some(path) = resolve(&reference, base, page) else {
            continue;
        };
        found.insert(Asset {
            kind: if kind == Kind::Other {
                Kind::by_name(&path)
            } else {
                kind
            },
            path,
        });
    }
    found
}

/// The files that a style sheet names.
pub(super) fn named_by_style(css: &str, base: &str, style: &str) -> BTreeSet<Asset> {
    let mut found = BTreeSet::new();
    let css = without_comments(css);
    let mut rest = css.as_str();
    while let Some(at) = rest.find("url(") {
        rest = rest[at + 4..].trim_start();
        let end = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                rest = &rest[1..];
                quote
            }
            _ => ')',
        };
        let Some(length) = rest.find(end) else { break };
        if let Some(path) = resolve(rest[..length].trim(), base, style) {
            found.insert(Asset {
                kind: Kind::by_name(&path),
                path,
            });
        }
        rest = &rest[length..];
    }
    found
}

fn without_comments(css: &str) -> String {
    let mut pieces = css.split("/*");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        kept.push_str(piece.split_once("*/").map_or("", |(_, after)| after));
    }
    kept
}

/// One opening tag.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Kinds of `link` that a browser loads.
const LOADED: [&str; 6] = [
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "apple-touch-icon",
    "manifest",
];

fn wanted(tag: &Tag) -> Option<(Kind, String)> {
    let source = || tag.get("src").or_else(|| tag.get("data-src"));
    let (kind, reference) = match tag.name.as_str() {
        "script" => (Kind::Script, source()?),
        "img" => (Kind::Image, source()?),
        "link" => {
            let rel = tag.get("rel")?.to_ascii_lowercase();
            let word = rel.split_whitespace().find(|word| LOADED.contains(word))?;
            let kind = match word {
                "stylesheet" => Kind::Style,
                "icon" | "apple-touch-icon" => Kind::Image,
                _ => Kind::Other,
            };
            (kind, tag.get("href")?)
        }
        _ => return None,
    };
    Some((kind, reference.replace("&amp;", "&")))
}

/// Every opening tag; the text inside `script` and `style` and comments hold none.
fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
        } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (tag, after) = read_tag(rest);
            rest = after;
            if matches!(tag.name.as_str(), "script" | "style") {
                let end = format!("</{}", tag.name);
                rest = rest.find(&end).map_or("", |end| &rest[end..]);
            }
            found.push(tag);
        }
    }
    found
}

fn read_tag(text: &str) -> (Tag, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
        .unwrap_or(text.len());
    let mut tag = Tag {
        name: text[..end].to_ascii_lowercase(),
        attributes: Vec::new(),
    };
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (tag, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, after);
        }
        let (attribute, after) = read_attribute(rest);
        tag.attributes.push(attribute);
        rest = after;
    }
}

fn read_attribute(text: &str) -> ((String, String), &str) {
    let end = text[1..]
        .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
        .map_or(text.len(), |at| at + 1);
    let name = text[..end].to_ascii_lowercase();
    let Some(rest) = text[end..].trim_start().strip_prefix('=') else {
        return ((name, String::new()), &text[end..]);
    };
    let rest = rest.trim_start();
    let (value, after) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
        _ => rest.split_at(
            rest.find(|c: char| c.is_whitespace() || c == '>')
                .unwrap_or(rest.len()),
        ),
    };
    ((name, value.to_owned()), after)
}

/// The path on our own site that `reference` means on the page `from`; `None` for other sites and embedded data.
///
/// # Shape
/// `base` is `https://name[:port]`, `from` a path with its query.
fn resolve(reference: &str, base: &str, from: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let own = reference.strip_prefix(base).filter(|rest| rest.starts_with('/'));
    let path = own.unwrap_or(reference);
    let foreign = path.starts_with("//")
        || path
            .split(['/', '?'])
            .next()
            .is_some_and(|first| first.contains(':'));
    if path.is_empty() || foreign {
        return None;
    }
    if path.starts_with('/') {
        return Some(tidy(path));
    }
    let folder = from
        .split('?')
        .next()
        .unwrap_or_default()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    Some(tidy(&format!("{folder}/{path}")))
}

/// Removes `.` and `..` as browsers do before they ask.
fn tidy(target: &str) -> String {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => _ = kept.pop(),
            _ => kept.push(part),
        }
    }
    let path = format!("/{}", kept.join("/"));
    query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
}

/// The text of a page as a person would read it, at most `longest` characters.
pub(super) fn plain(html: &str, longest: usize) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let unseen = ["script", "style"].into_iter().find(|name| tag.starts_with(name));
        let shown = unseen.map_or(tag, |name| {
            tag.find(&format!("</{name}")).map_or("", |end| &tag[end..])
        });
        rest = shown.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(longest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://erp.test:8443";

    fn paths(found: &BTreeSet<Asset>) -> Vec<(Kind, &str)> {
        found
            .iter()
            .map(|asset| (asset.kind, asset.path.as_str()))
            .collect()
    }

    #[test]
    fn finds_what_odoos_login_page_names() {
        let page = include_str!("fixtures/login-19.0.html");
        assert_eq!(
            paths(&named_by_page(page, BASE, "/web/login")),
            [
                (Kind::Style, "/web/assets/15213f5/web.assets_frontend.min.css"),
                (
                    Kind::Script,
                    "/web/assets/1621975/web.assets_frontend_minimal.min.js"
                ),
                (
                    Kind::Script,
                    "/web/assets/7e01bae/web.assets_frontend_lazy.min.js"
                ),
                (Kind::Image, "/web/binary/company_logo"),
                (Kind::Image, "/web/static/img/favicon.ico"),
                (
                    Kind::Font,
                    "/web/static/src/libs/fontawesome/fonts/fontawesome-webfont.woff2?v=4.7.0"
                ),
            ]
        );
    }

    #[test]
    fn leaves_out_scripts_texts_comments_and_other_sites() {
        let page = r#"<script>var x = '<img src="/a.png">';</script><!-- <img src="/b.png"> -->
            <img src="https://cdn.example/c.png"><img src=data:image/png;base64,xx><link rel=canonical href=/d>
            <IMG SRC=/e.png?a=1&amp;b=2><img src="https://erp.test:8443/f.svg"><img src='//other/g.png'>"#;
        let found = named_by_page(page, BASE, "/");
        assert_eq!(
            paths(&found),
            [(Kind::Image, "/e.png?a=1&b=2"), (Kind::Image, "/f.svg")]
        );
    }

    #[test]
    fn finds_what_a_style_sheet_names() {
        let css = r#"@font-face{src:url("../fonts/a.woff2?v=4#iefix") format("woff2"),url( '/x/b.eot' )}
            /* url(/no.png) */ i{background:url(img/c.png)} b{background:url("data:image/svg+xml;a=url(#b)")} u{fill:url(#g)}"#;
        let found = named_by_style(css, BASE, "/web/static/css/s.css");
        assert_eq!(
            paths(&found),
            [
                (Kind::Image, "/web/static/css/img/c.png"),
                (Kind::Font, "/web/static/fonts/a.woff2?v=4"),
                (Kind::Font, "/x/b.eot"),
            ]
        );
    }

    #[test]
    fn broken_pages_end() {
        for text in [
            "<",
            "<img",
            "<img src",
            "<img src=",
            "<img src=\"",
            "<script",
            "<!--",
            "< img>",
            "<a / = >",
        ] {
            named_by_page(text, BASE, "/");
            named_by_style(text, BASE, "/");
        }
        named_by_style("url( url('", BASE, "/");
        assert_eq!(plain("<h1>Bad   Gateway</h1><p>nginx", 10), "Bad Gatewa");
        assert_eq!(
            plain("<style>a > b {}</style><p>One<br/>two<script>x<y", 99),
            "One two"
        );
    }
}
