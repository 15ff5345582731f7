//! ldd: the libraries that a program is linked to.
use camino::{Utf8Path, Utf8PathBuf};

use crate::exec::Cmd;

/// Lists them.
pub(crate) fn libraries(program: &Utf8Path) -> Cmd {
    Cmd::new("ldd").arg(program.as_str())
}

/// Paths of the libraries, the loader among them; none of a program that is linked statically.
pub(crate) fn parse(text: &str) -> Vec<Utf8PathBuf> {
    let path = |line: &str| {
        let line = line.trim();
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        let path = path.split(" (").next()?;
        path.starts_with('/').then(|| Utf8PathBuf::from(path))
    };
    text.lines().filter_map(path).collect()
}

/// The C library in what `getconf GNU_LIBC_VERSION` or `ldd --version` prints: `glibc 2.36` or `musl`.
pub(crate) fn parse_library(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.trim().is_empty())?.to_lowercase();
    if line.contains("musl") {
        return Some("musl".to_owned());
    }
    let version = line.split_whitespace().last()?;
    let gnu = line.starts_with("glibc ") || line.starts_with("ldd (");
    (gnu && version.starts_with(|c: char| c.is_ascii_digit())).then(|| format!("glibc {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_c_libraries_apart() {
        for (text, library) in [
            ("glibc 2.36\n", Some("glibc 2.36")),
            (
                "ldd (Debian GLIBC 2.41-12) 2.41\nCopyright (C) 2024\n",
                Some("glibc 2.41"),
            ),
            ("ldd (GNU libc) 2.34\nCopyright\n", Some("glibc 2.34")),
            (
                "musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\n",
                Some("musl"),
            ),
            ("sh: ldd: not found\n", None),
            ("", None),
        ] {
            assert_eq!(parse_library(text).as_deref(), library, "{text}");
        }
    }

    #[test]
    fn reads_libraries_and_the_loader() {
        let text = "\tlinux-vdso.so.1 (0x00007f0099f4b000)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f009853e000)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f0099f4d000)\n";
        assert_eq!(
            parse(text),
            ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
        assert!(parse("\tstatically linked\n").is_empty());
    }
}
