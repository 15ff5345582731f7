//! Files that another file includes are part of it: what stands around the include holds for them too.
use super::{File, Finding};
use crate::foreign::{Kind, kind};

/// A file with those that it includes in their places.
pub(super) struct Whole<'a> {
    pub(super) path: &'a str,
    pub(super) text: String,
    /// Where each line comes from: file and number.
    lines: Vec<(&'a str, usize)>,
}

/// Every file that no other one includes.
pub(super) fn whole<'a>(files: &[File<'a>]) -> Vec<Whole<'a>> {
    let inside = |path: &str| {
        let others = files.iter().filter(|file| file.path != path);
        let mut lines = others.flat_map(|file| file.text.lines());
        lines.any(|line| included(line) == Some(path))
    };
    let outer = files.iter().filter(|file| !is_nginx(file) || !inside(file.path));
    outer.map(|file| Whole::of(file, files)).collect()
}

fn is_nginx(file: &File<'_>) -> bool {
    kind(file.path, file.text) == Some(Kind::Nginx)
}

/// The path that a line of nginx's configuration includes.
fn included(line: &str) -> Option<&str> {
    let path = line.trim().strip_prefix("include ")?.strip_suffix(';')?;
    Some(path.trim().trim_matches('"'))
}

impl<'a> Whole<'a> {
    fn of(file: &File<'a>, all: &[File<'a>]) -> Self {
        let (mut text, mut lines) = (String::new(), Vec::new());
        let mut take = |file: &File<'a>, number: usize, line: &str| {
            text.push_str(line);
            text.push('\n');
            lines.push((file.path, number));
        };
        for (number, line) in (1..).zip(file.text.lines()) {
            let named = included(line).filter(|_| is_nginx(file));
            match named.and_then(|path| all.iter().find(|one| one.path == path)) {
                Some(part) => (1..)
                    .zip(part.text.lines())
                    .for_each(|(number, line)| take(part, number, line)),
                None => take(file, number, line),
            }
        }
        Self {
            path: file.path,
            text,
            lines,
        }
    }

    /// Says of a finding in the whole text where its line really stands.
    pub(super) fn place(&self, finding: &mut Finding) {
        let number = finding
            .place
            .strip_prefix(self.path)
            .and_then(|rest| rest.strip_prefix(':'));
        let number = number.and_then(|text| text.parse::<usize>().ok()?.checked_sub(1));
        if let Some((path, line)) = number.and_then(|at| self.lines.get(at)) {
            finding.place = format!("{path}:{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::checks::{File, judge_rendered};
    use crate::spec::Series;

    const SITE: &str = "server {\n  listen 443 ssl;\n  server_name e.example;\n  location / { proxy_pass http://127.0.0.1:8069; }\n}\n";

    #[test]
    fn a_site_has_what_stands_around_its_include_and_is_named_itself() {
        let found = |around: &str| {
            let main = format!("events {{}}\nhttp {{\n{around}\n  include \"/x/e.conf\";\n}}\n");
            let files = [("/x/nginx.conf", main.as_str()), ("/x/e.conf", SITE)];
            let files = files.map(|(path, text)| File { path, text });
            let all = judge_rendered(&files, Series::V19);
            let body = all.into_iter().filter(|one| one.id == "nginx-body-size");
            body.map(|one| one.place).collect::<Vec<_>>()
        };
        assert_eq!(found("  client_max_body_size 128m;"), Vec::<String>::new());
        assert_eq!(found(""), ["/x/e.conf:1"]);
    }
}
