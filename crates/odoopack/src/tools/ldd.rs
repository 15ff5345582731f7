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

#[cfg(test)]
mod tests {
    use super::*;

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
