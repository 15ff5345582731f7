//! Media types of the files that Odoo modules carry below `static`.
use super::text::Text;

/// Types by file name ending.
///
/// Kept here because distributions' `mime.types` differ: without `mjs` the PDF viewer of Odoo 18 stays white.
const TYPES: [(&str, &str); 34] = [
    ("application/javascript", "js mjs"),
    ("application/json", "json map"),
    ("application/manifest+json", "webmanifest"),
    ("application/msword", "doc"),
    ("application/pdf", "pdf"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-fontobject", "eot"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    ("application/wasm", "wasm"),
    ("application/zip", "zip"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg oga"),
    ("audio/wav", "wav"),
    ("font/otf", "otf"),
    ("font/ttf", "ttf"),
    ("font/woff", "woff"),
    ("font/woff2", "woff2"),
    ("image/avif", "avif"),
    ("image/gif", "gif"),
    ("image/jpeg", "jpg jpeg"),
    ("image/png", "png"),
    ("image/svg+xml", "svg svgz"),
    ("image/webp", "webp"),
    ("image/x-icon", "ico"),
    ("text/css", "css"),
    ("text/csv", "csv"),
    ("text/html", "html htm"),
    ("text/plain", "txt md rst po pot less scss"),
    ("text/xml", "xml xsl"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
];

/// Types worth compressing; `text/html` always is.
pub(super) const COMPRESSED: &str = "text/css text/scss text/plain text/xml text/csv text/javascript application/xml \
                                     application/json application/javascript application/wasm \
                                     application/manifest+json image/svg+xml font/ttf font/otf";

pub(super) fn mime(t: &mut Text) {
    t.block("types", |t| {
        for (media, endings) in TYPES {
            t.line(format_args!("{media} {endings}"));
        }
    });
    t.line("default_type application/octet-stream");
}
