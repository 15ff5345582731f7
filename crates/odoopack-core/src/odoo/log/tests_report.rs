//! What Odoo's own tests said, from their log.
use super::{Entry, Level};

/// Everything that the tests of a run said.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TestReport {
    /// Tests that ran; `None` when Odoo never counted them (it was ended, or no test was asked for).
    pub ran: Option<u32>,
    /// Those that failed or ended in an exception.
    pub failures: Vec<TestFailure>,
}

/// One test that failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TestFailure {
    /// The module.
    pub module: String,
    /// `TestClass.test_method`, or what failed around it (`setUpClass (...)`).
    pub test: String,
    /// Whether an assertion failed; otherwise it ended in an exception.
    pub assertion: bool,
    /// File of the test, as Python names it.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// The exception.
    pub message: String,
}

impl TestReport {
    /// Takes an entry; whether it was one of the tests.
    pub(super) fn take(&mut self, entry: &Entry) -> bool {
        if let Some(ran) = counted(entry) {
            self.ran = Some(ran);
            return true;
        }
        let Some(failure) = failure(entry) else {
            return entry.logger.starts_with("odoo.tests")
                || entry
                    .message
                    .starts_with("At least one test failed when loading the modules")
                || is_module_summary(&entry.message);
        };
        self.failures.push(failure);
        true
    }
}

/// `2 failed, 0 error(s) of 14 tests when loading database 'x'`
///
/// # Source
/// `odoo/tests/result.py` `__str__` and `service/server.py` `run`, 17.0 to 19.0.
fn counted(entry: &Entry) -> Option<u32> {
    let (head, _) = entry.message.split_once(" tests when loading database ")?;
    head.rsplit_once(" error(s) of ")?.1.parse().ok()
}

/// `Module x: 1 failures, 0 errors of 3 tests`
fn is_module_summary(message: &str) -> bool {
    message.starts_with("Module ") && message.contains(" failures, ") && message.ends_with(" tests")
}

/// `FAIL: TestX.test_y` or `ERROR: TestX.test_y` with a traceback, in the logger of the test's own file.
fn failure(entry: &Entry) -> Option<TestFailure> {
    if entry.level < Level::Error {
        return None;
    }
    let (assertion, test) = match entry.first_line().split_once(": ")? {
        ("FAIL", test) => (true, test),
        ("ERROR", test) => (false, test),
        _ => return None,
    };
    let module = entry.logger.strip_prefix("odoo.addons.")?.split('.').next()?;
    let of_test = |file: &str| file.contains(&format!("/{module}/tests/"));
    let frame = entry.frame(of_test).or_else(|| entry.frame(|_| true));
    Some(TestFailure {
        module: module.to_owned(),
        test: test.to_owned(),
        assertion,
        file: frame.map(|(file, _)| file.to_owned()),
        line: frame.map(|(_, line)| line),
        message: entry.exception().unwrap_or_default(),
    })
}

impl std::fmt::Display for TestFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.assertion { "FAIL" } else { "ERROR" };
        write!(f, "{word} {}: {}", self.module, self.test)?;
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            write!(f, "\n  {file}:{line}")?;
        }
        self.message.lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
