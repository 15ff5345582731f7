//! Tables of what is heard in a log and what is not.
use super::*;

/// The verdict over lines `LEVEL LOGGER: MESSAGE`; anything else goes on with the entry before.
fn verdict(lines: &str) -> Verdict {
    let mut judge = Judge::default();
    for line in lines.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match Level::of(word) {
            Some(_) => judge.feed(&format!("2026-01-31 12:00:00,123 45 {word} pack_dev {rest} ")),
            None => judge.feed(line),
        }
    }
    judge.finish()
}

fn troubles(lines: &str) -> Vec<Trouble> {
    verdict(lines).complaints.into_iter().map(|c| c.trouble).collect()
}

fn names(modules: &[&str]) -> Vec<String> {
    modules.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_odoo_says_while_it_exits_with_0_is_heard() {
    let check = |lines: &str, wanted: Trouble| assert_eq!(troubles(lines), [wanted], "{lines}");
    check(
        "WARNING odoo.modules.loading: invalid module names, ignored: b, a",
        Trouble::UnknownModules {
            modules: names(&["a", "b"]),
        },
    );
    check(
        "ERROR odoo.modules.loading: Some modules have inconsistent states, some dependencies may be missing: ['x', 'y']",
        Trouble::InconsistentStates {
            modules: names(&["x", "y"]),
        },
    );
    check(
        "ERROR odoo.modules.loading: Some modules are not loaded, some dependencies or manifest may be missing: ['x']",
        Trouble::NotLoaded {
            modules: names(&["x"]),
        },
    );
    for logger in ["odoo.modules.graph", "odoo.modules.module_graph"] {
        check(
            &format!("WARNING {logger}: module x: not installable, skipped"),
            Trouble::Skipped {
                module: "x".to_owned(),
                why: "not installable, skipped".to_owned(),
            },
        );
    }
    check(
        "ERROR odoo.schema: Table 'a': unable to add constraint 'b' as CHECK (c > 0)",
        Trouble::Logged,
    );
    check("CRITICAL odoo.service.server: Something", Trouble::Logged);
}

#[test]
fn a_module_that_is_known_to_have_no_code_may_be_skipped() {
    let seen = verdict(
        "WARNING odoo.modules.module_graph: module x: not installable, skipped\n\
         WARNING odoo.modules.graph: module y: not installable, skipped\n\
         ERROR odoo.modules.loading: Some modules are not loaded, some dependencies or manifest may be missing: ['x', 'y']\n\
         ERROR odoo.modules.loading: Some modules have inconsistent states, some dependencies may be missing: ['x']",
    );
    let left = |known: &[&str]| {
        let mut seen = seen.clone();
        seen.expect_without_code(|module| known.contains(&module));
        seen.complaints
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(left(&[]).len(), 4);
    let some = left(&["x"]);
    assert!(
        some[0].contains("module y") && some[1].contains("x, y"),
        "{some:?}"
    );
    let half_way = "left half-way, a dependency may be missing: x [odoo.modules.loading]";
    assert_eq!((some.len(), left(&["x", "y"])), (3, vec![half_way.to_owned()]));
}

const REGISTRY: &str = "ERROR odoo.registry: Failed to load registry\n\
    CRITICAL odoo.service.server: Failed to initialize database `pack_dev`.\n\
    Traceback (most recent call last):\n  File \"/r/odoo/service/server.py\", line 1510, in preload_registries\n    x()\n";

#[test]
fn a_registry_that_failed_is_told_once_and_with_its_cause() {
    let check = |exception: &str, wanted: fn(String) -> Trouble| {
        let said = troubles(&format!("{REGISTRY}{exception}"));
        assert_eq!(said, [wanted(exception.to_owned())], "{exception}");
    };
    check("KeyError: 'x'", |why| Trouble::RegistryFailed { why });
    check(
        "odoo.exceptions.UserError: You try to install module \"a\" that depends on module \"b\".\nBut the latter module is not available in your system.",
        |why| Trouble::MissingDependency { why },
    );
    check(
        "odoo.exceptions.UserError: Unable to install module \"a\" because an external dependency is not met: Python library not installed: x",
        |why| Trouble::MissingProgram { why },
    );
}

#[test]
fn ordinary_runs_are_good() {
    let seen = verdict(
        "INFO odoo.modules.loading: Loading module web (2/12)\n\
         WARNING odoo.modules.loading: The models ['x'] have no access rules in module y, consider adding some, like:\n\
         id,name,model_id:id,group_id:id,perm_read\n\
         ERROR odoo.sql_db: bad query: UPDATE x\n\
         ERROR: could not serialize access due to concurrent update\n\
         INFO odoo.modules.loading: Module web loaded in 1.20s, 5 queries\n\
         INFO odoo.modules.loading: 12 modules loaded in 2.00s, 50 queries (+0 extra)",
    );
    assert!(seen.is_good(), "{}", seen.said());
    assert_eq!(seen.worked_on.into_iter().collect::<Vec<_>>(), ["web"]);
    assert_eq!(seen.warnings, 1);
}

#[test]
fn critical_is_never_harmless() {
    for known in super::super::HARMLESS {
        assert!(
            !known.begins.is_empty() && known.because.contains("17.0"),
            "{known:?}"
        );
        let text = format!("{}: {}x {}", known.logger, known.begins, known.contains);
        assert!(verdict(&format!("ERROR {text}")).is_good(), "{text}");
        assert!(!verdict(&format!("CRITICAL {text}")).is_good(), "{text}");
    }
}

#[test]
fn failed_tests_have_file_and_line_of_the_test() {
    let seen = verdict(
        "INFO odoo.addons.shop.tests.test_x: Starting TestX.test_one ...\n\
         ERROR odoo.addons.shop.tests.test_x: FAIL: TestX.test_one\n\
         Traceback (most recent call last):\n\
         \x20 File \"/r/addons/shop/tests/test_x.py\", line 12, in test_one\n\
         \x20   self.assertEqual(1, helper())\n\
         AssertionError: 1 != 2\n\
         \n\
         ERROR odoo.addons.shop.tests.test_x: ERROR: TestX.test_two\n\
         Traceback (most recent call last):\n\
         \x20 File \"/r/addons/shop/tests/test_x.py\", line 20, in test_two\n\
         \x20   self.env['shop'].act()\n\
         \x20 File \"/r/addons/shop/models/shop.py\", line 5, in act\n\
         \x20   1 / 0\n\
         ZeroDivisionError: division by zero\n\
         ERROR odoo.modules.loading: Module shop: 1 failures, 1 errors of 3 tests\n\
         ERROR odoo.modules.loading: At least one test failed when loading the modules.\n\
         ERROR odoo.tests.result: 1 failed, 1 error(s) of 3 tests when loading database 'pack_dev'",
    );
    assert_eq!(seen.tests.ran, Some(3));
    let said: Vec<String> = seen.tests.failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "FAIL shop: TestX.test_one\n  /r/addons/shop/tests/test_x.py:12\n  AssertionError: 1 != 2",
            "ERROR shop: TestX.test_two\n  /r/addons/shop/tests/test_x.py:20\n  ZeroDivisionError: division by zero"
        ]
    );
    assert!(
        seen.complaints.iter().all(|c| c.trouble == Trouble::TestsFailed),
        "{:?}",
        seen.complaints
    );
}

#[test]
fn a_run_without_any_test_is_told_by_its_count() {
    let seen =
        verdict("WARNING odoo.tests.result: 0 failed, 0 error(s) of 0 tests when loading database 'x'");
    assert_eq!((seen.tests.ran, seen.is_good()), (Some(0), true));
}
