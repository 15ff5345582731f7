//! The `Dockerfile` of an image that holds the Python and Debian packages of a lock besides Odoo.
use crate::facts::{Built, ImagePin};

/// Where the packages are in the image.
pub const PACKAGES: &str = "/opt/odoopack/python";
/// Labels that say what an image was built from.
pub const LABELS: [&str; 4] = [
    "odoopack.release",
    "odoopack.base.id",
    "odoopack.base.digest",
    "odoopack.packages",
];

/// Before all other places: a package of the lock wins over an older one of the image.
const FIRST: &str = "import sys; sys.path.insert(0, '/opt/odoopack/python')";

/// The one label that an image is found by: equal for equal contents.
pub fn label(built: &Built) -> String {
    format!("{}={}", LABELS[0], release(built))
}

fn release(built: &Built) -> String {
    crate::hash::hex(format!("{} {}", built.on.id, built.packages).as_bytes())
}

/// What the labels of an image say; `None` for one that was not built here.
pub fn built(label: impl Fn(&str) -> Option<String>) -> Option<Built> {
    let built = Built {
        on: ImagePin {
            id: label(LABELS[1])?,
            digest: label(LABELS[2]).filter(|digest| !digest.is_empty()),
        },
        packages: label(LABELS[3])?,
    };
    // Whoever builds on such an image inherits its labels, not its contents.
    (label(LABELS[0])? == release(&built)).then_some(built)
}

/// Renders it. The Python packages lie beside it in `python`; `debian` are names that [`crate::oca_lock::is_debian`] lets through.
///
/// # Source
/// Python's module `site`: a line of a `.pth` file that begins with `import` is run.
pub fn dockerfile(base: &str, user: Option<&str>, built: &Built, debian: &[String]) -> String {
    let run = format!(
        "import compileall, os, site; at = site.getsitepackages()[0]; os.makedirs(at, exist_ok=True); \
         open(os.path.join(at, 'odoopack.pth'), 'w').write(\\\"{FIRST}\\\\n\\\"); compileall.compile_dir('{PACKAGES}', quiet=2)"
    );
    let digest = built.on.digest.as_deref().unwrap_or_default();
    let values = [&release(built), &built.on.id, digest, &built.packages];
    let labels: String = LABELS
        .iter()
        .zip(values)
        .map(|(name, value)| format!("LABEL {name}=\"{value}\"\n"))
        .collect();
    let debian = install(debian);
    let user = user.filter(|user| !user.is_empty()).unwrap_or("nobody");
    format!(
        "FROM {base}\nUSER root\n{debian}COPY python {PACKAGES}\nRUN [\"python3\", \"-c\", \"{run}\"]\n{labels}USER {user}\n"
    )
}

/// Of the archive that the image itself names.
fn install(debian: &[String]) -> String {
    if debian.is_empty() {
        return String::new();
    }
    format!(
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {} \\\n    && rm -rf /var/lib/apt/lists/*\n",
        debian.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Built {
        Built {
            on: ImagePin {
                id: "sha256:1".to_owned(),
                digest: Some("odoo@sha256:2".to_owned()),
            },
            packages: "ab".to_owned(),
        }
    }

    #[test]
    fn the_whole_file() {
        insta::assert_snapshot!(dockerfile(
            "odoopack-shop/odoo-base:12",
            Some("odoo"),
            &example(),
            &["ffmpeg".to_owned(), "g++".to_owned()]
        ));
        assert!(dockerfile("x", None, &example(), &[]).ends_with("USER nobody\n"));
    }

    #[test]
    fn the_labels_say_what_it_was_built_from() {
        let text = dockerfile("x", None, &example(), &[]);
        let label = |name: &str| {
            let start = format!("LABEL {name}=\"");
            let line = text.lines().find_map(|line| line.strip_prefix(&start))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        assert_eq!(built(label), Some(example()));
        assert_eq!(
            super::label(&example()),
            format!("odoopack.release={}", label(LABELS[0]).unwrap())
        );
        let other =
            |name: &str| label(name).map(|text| if name == LABELS[3] { "cd".to_owned() } else { text });
        assert_eq!(built(other), None);
        assert_eq!(built(|_| None), None);
    }
}
