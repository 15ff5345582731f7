//! An odoo.conf that differs from another one in a few options, for a run apart from the services.

/// The text with these options, whatever it said of them before.
///
/// # Shape
/// `text` is a rendered odoo.conf: one option per line, `[options]` on a line of its own.
pub fn with_options(text: &str, options: &[(&str, &str)]) -> String {
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let replaced = |line: &&str| {
        options
            .iter()
            .any(|(option, _)| key(line).as_deref() == Some(option))
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !replaced(line)) {
        out.push_str(line);
        out.push('\n');
        if line.trim() == "[options]" {
            out.extend(
                options
                    .iter()
                    .map(|(option, value)| format!("{option} = {value}\n")),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_replaced_or_added_and_nothing_else_changes() {
        let text = "# made by\n[options]\n# data_dir = comment\ndata_dir = /a\ndb_name = x\n\n[queue_job]\nchannels = root:1\n";
        let with = with_options(text, &[("data_dir", "/b"), ("with_demo", "True")]);
        assert_eq!(
            with,
            "# made by\n[options]\ndata_dir = /b\nwith_demo = True\n# data_dir = comment\ndb_name = x\n\n[queue_job]\nchannels = root:1\n"
        );
    }
}
