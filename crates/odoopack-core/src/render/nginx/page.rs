//! The page that nginx shows when nothing behind it answers.

/// One page for one status.
///
/// # Shape
/// No single quote, dollar or backslash: it stands in nginx's configuration between single quotes.
pub(super) fn html(status: u16) -> String {
    let (title, words) = match status {
        504 => (
            "This took too long",
            "Odoo did not answer in time. Your last change may or may not have been saved.",
        ),
        _ => (
            "Odoo will be back in a moment",
            "It is being started or updated. This page tries again by itself.",
        ),
    };
    let style = "body{font:16px/1.5 system-ui,sans-serif;color:#333;background:#f6f6f8;display:grid;place-items:center;\
                 min-height:100vh;margin:0}main{max-width:28rem;padding:2rem;text-align:center}h1{color:#714b67;\
                 font-size:1.5rem}small{color:#777}";
    let again = if status == 504 {
        ""
    } else {
        r#"<meta http-equiv="refresh" content="10">"#
    };
    format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{again}<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><main><h1>{title}</h1><p>{words}</p><small>{status}</small></main></body></html>"#
    )
}
