//! The rendered script, between a shell with the limit of a small worker and the real wkhtmltopdf.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test drives the real wkhtmltopdf")]
use std::process::{Command, Output};

use camino::Utf8Path;
use odoopack_core::render::printing;

/// Prints a page as a process whose worker allows it this much virtual memory, in KiB or `unlimited`.
fn printed(directory: &Utf8Path, program: &str, limit: &str) -> Output {
    Command::new("sh")
        .args(["-c", "ulimit -S -v $0; exec \"$@\"", limit, program])
        .args(["--quiet", "page.html", "page.pdf"])
        .current_dir(directory)
        .output()
        .unwrap()
}

#[test]
fn a_small_limit_of_the_worker_does_not_end_printing() {
    let keep = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(keep.path()).unwrap();
    std::fs::write(directory.join("page.html"), "<h1>Invoice</h1>").unwrap();
    let script = printing::wrapper("abc", "/usr/bin/wkhtmltopdf".into());
    std::fs::write(directory.join("print"), script).unwrap();
    let made_executable = Command::new("chmod")
        .args(["755", "print"])
        .current_dir(directory)
        .status();
    assert!(made_executable.unwrap().success());

    // What the script is for: the program itself dies under such a limit.
    assert!(!printed(directory, "wkhtmltopdf", "900000").status.success());
    for limit in ["900000", "unlimited"] {
        let output = printed(directory, "./print", limit);
        assert!(output.status.success(), "{limit}: {output:?}");
        assert!(
            std::fs::read(directory.join("page.pdf"))
                .unwrap()
                .starts_with(b"%PDF")
        );
        std::fs::remove_file(directory.join("page.pdf")).unwrap();
    }
}

#[test]
fn a_threaded_server_that_sets_no_limit_gets_one() {
    let script = printing::wrapper("abc", "/bin/sh".into());
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -S -v unlimited; exec sh -c \"$0\" x -c 'ulimit -S -v'",
        ])
        .arg(script)
        .output()
        .unwrap();
    let limit = (printing::MEMORY.0 >> 10).to_string();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        limit,
        "{output:?}"
    );
}
