//! `crontab`: what cron runs for the user who runs this program.
use crate::exec::Cmd;

/// Prints the user's own table; fails where there is none (`crontab(1)`).
pub(crate) fn list() -> Cmd {
    Cmd::new("crontab").arg("-l")
}
