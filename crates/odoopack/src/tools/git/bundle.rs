//! A working directory's repository as one file: where it stands, and all of its history.
use camino::Utf8Path;

use super::git;
use crate::exec::Cmd;

fn inside(directory: &Utf8Path) -> Cmd {
    // Whoever owns it: no hook, filter or helper of it runs in what is called here.
    git().args(["-c", "safe.directory=*", "-C", directory.as_str()])
}

/// Prints the commit that a working directory stands at; fails where there is none.
pub(crate) fn head(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])
}

/// Writes the history of a working directory's repository to stdout: every branch and tag, and where it stands.
pub(crate) fn bundle(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["bundle", "create", "--quiet", "-", "--all", "HEAD"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_goes_to_stdout() {
        let text = bundle("/r".into()).to_string();
        let (_, own) = text.split_once("gc.auto=0 ").unwrap();
        assert_eq!(
            own,
            "-c 'safe.directory=*' -C /r bundle create --quiet - --all HEAD"
        );
    }
}
