//! nginx: its version, and a test of a configuration.
use camino::Utf8Path;

use crate::exec::Cmd;

/// Prints the version on stderr.
pub(crate) fn version(program: &Utf8Path) -> Cmd {
    Cmd::new(program.as_str()).arg("-v")
}

/// Reads `nginx version: nginx/1.22.1`.
pub(crate) fn parse_version(text: &str) -> Option<(u16, u16, u16)> {
    let numbers = text.split("nginx/").nth(1)?.split([' ', '\n']).next()?;
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Reads a configuration as the server would, without using it.
pub(crate) fn test(program: &Utf8Path, config: &Utf8Path, prefix: &Utf8Path) -> Cmd {
    Cmd::new(program.as_str()).args(["-t", "-q", "-c", config.as_str(), "-p", prefix.as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_nginx_says_of_itself() {
        assert_eq!(parse_version("nginx version: nginx/1.22.1\n"), Some((1, 22, 1)));
        assert_eq!(
            parse_version("nginx version: nginx/1.18.0 (Ubuntu)\n"),
            Some((1, 18, 0))
        );
        assert_eq!(parse_version("something else"), None);
    }
}
