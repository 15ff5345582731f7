//! Python packages of the lock as a requirement file, and back.
use super::Distribution;
use crate::python_pins::name_of;

/// The packages of a requirement file that the resolver wrote, sorted by name.
///
/// # Shape
/// `name==version \` followed by lines of `--hash=sha256:HEX`; what names no version is left out, see [`unhashed`].
pub fn distributions(text: &str) -> Vec<Distribution> {
    let mut all: Vec<Distribution> = joined(text)
        .iter()
        .filter_map(|line| distribution(line))
        .collect();
    all.sort();
    all
}

/// Lines of a requirement file that name a package without a version or a hash.
pub fn unhashed(text: &str) -> Vec<String> {
    let lines = joined(text).into_iter();
    lines
        .filter(|line| name_of(line).is_some() && distribution(line).is_none())
        .collect()
}

/// The packages as a requirement file, for an installer that checks every hash.
pub fn requirement_lines(list: &[Distribution]) -> String {
    let line = |package: &Distribution| {
        let hashes: String = package
            .hashes
            .iter()
            .map(|hash| format!(" \\\n    --hash={hash}"))
            .collect();
        format!("{}=={}{hashes}\n", package.name, package.version)
    };
    list.iter().map(line).collect()
}

fn joined(text: &str) -> Vec<String> {
    let whole = text.replace("\\\n", " ");
    let lines = whole.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn distribution(line: &str) -> Option<Distribution> {
    let name = name_of(line)?;
    let (_, rest) = line.split_once("==")?;
    let version = rest.split([' ', ';']).next().filter(|text| !text.is_empty())?;
    let mut hashes: Vec<String> = line
        .split("--hash=")
        .skip(1)
        .map(|hash| hash.trim().to_owned())
        .collect();
    hashes.sort();
    hashes.dedup();
    (!hashes.is_empty()).then(|| Distribution {
        name,
        version: version.to_owned(),
        hashes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# made by\npillow==11.0.0 \\\n    --hash=sha256:bb \\\n    --hash=sha256:aa\nBabel==2.17.0 \\\n    --hash=sha256:cc\n";

    #[test]
    fn goes_to_a_requirement_file_and_back() {
        let list = distributions(TEXT);
        let names: Vec<_> = list.iter().map(|p| (p.name.as_str(), p.hashes.len())).collect();
        assert_eq!(names, [("babel", 1), ("pillow", 2)]);
        assert_eq!(distributions(&requirement_lines(&list)), list);
    }

    #[test]
    fn what_has_no_hash_is_named() {
        let text = "a==1 --hash=sha256:aa\nb==2\nc @ git+https://h/x@abc\n--index-url x\n";
        assert_eq!(unhashed(text), ["b==2", "c @ git+https://h/x@abc"]);
    }
}
