//! The project's own chores: set-up, tests, tidy, benchmarks, generated pages, supply chain.
mod bench;
mod deny;
mod generated;
mod licence;
mod run;
mod setup;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

const MENU: &str = "\
usage: cargo xtask CHORE

  setup                          installs what the tests need; nothing to do takes no time
  test [--no-setup] [FILTER...]  everything CI runs; with a filter only the matching tests
  gen [--check]                  the generated pages and the expected output in transcripts and guides
  bench [--cold] [--full] [--write] [PIECE...]
                                 measures and writes docs/benchmarks.md; named pieces only with --write
  soak [--rounds N]              the real tests with every step and every fault, N times (3); writes docs/soak.md
  tidy                           the house rules that no compiler or linter knows
  deny                           licences, banned crates and sources, by cargo-deny (installed when missing)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((chore, rest)) = arguments.split_first() else {
        print!("{MENU}");
        return Ok(ExitCode::SUCCESS);
    };
    match (chore.as_str(), rest) {
        ("setup", []) => setup::run()?,
        ("test", rest) => test::run(rest)?,
        ("gen", []) => generated::run(generated::Mode::Write)?,
        ("gen", [option]) if option == "--check" => generated::run(generated::Mode::Check)?,
        ("bench", rest) => bench::run(rest)?,
        ("soak", rest) => soak::run(rest)?,
        ("tidy", []) => tidy::run()?,
        ("deny", []) => deny::run()?,
        ("help" | "--help" | "-h", _) => print!("{MENU}"),
        _ => {
            eprint!("error: no such chore: {}\n\n{MENU}", arguments.join(" "));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
