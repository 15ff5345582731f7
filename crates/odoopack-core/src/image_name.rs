//! Names of images as Docker reads them: `registry/repository:tag@digest`, of which all but the repository may be left out.

/// The repository of a name, with its registry, as Docker writes it in its answers.
///
/// # Source
/// `github.com/distribution/reference`, `normalize.go`: `docker.io` is meant where no registry is named, and `library/` before a
/// name without a `/`.
pub fn repository(name: &str) -> &str {
    let bare = name.split('@').next().unwrap_or(name);
    let last = bare.rfind('/').map_or(0, |at| at + 1);
    let bare = bare[last..].find(':').map_or(bare, |at| &bare[..last + at]);
    let short = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|hub| bare.strip_prefix(hub));
    let short = short.unwrap_or(bare);
    short.strip_prefix("library/").unwrap_or(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_several_names() {
        for (name, wanted) in [
            ("odoo", "odoo"),
            ("odoo:18.0", "odoo"),
            ("library/odoo:18.0", "odoo"),
            ("docker.io/library/odoo:18.0", "odoo"),
            ("index.docker.io/acme/odoo", "acme/odoo"),
            ("acme/odoo@sha256:ab", "acme/odoo"),
            ("localhost:5000/odoo", "localhost:5000/odoo"),
            ("localhost:5000/a/odoo:18.0@sha256:ab", "localhost:5000/a/odoo"),
            (
                "registry.example.com/library/odoo:1",
                "registry.example.com/library/odoo",
            ),
        ] {
            assert_eq!(repository(name), wanted, "{name}");
        }
    }
}
