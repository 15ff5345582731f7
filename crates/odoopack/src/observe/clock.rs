//! Whether something keeps the clock right, as the kernel knows it.
use odoopack_core::checks::host::Clock;
use odoopack_core::facts::Seen;

/// Microseconds: nothing has corrected the clock for so long that the kernel gave up counting its error.
///
/// # Source
/// `NTP_PHASE_LIMIT` of Linux 6.1 (`include/linux/timex.h`). The rule is that of `timedatectl` (systemd 252,
/// `ntp_synced`): not the flag `STA_UNSYNC`, which chrony leaves set where it does not write the hardware clock.
const GAVE_UP: i64 = 16_000_000;

/// Asks the kernel, so that it does not matter which of chrony, ntpd, `OpenNTPD` or systemd's service corrects it.
pub(crate) fn look() -> Seen<Clock> {
    match largest_error() {
        Ok(error) => Seen::Present(Clock {
            synchronized: error < GAVE_UP,
        }),
        Err(e) => Seen::Unknown(format!("the kernel does not tell about its clock: {e}")),
    }
}

/// `maxerror` of the kernel's clock in microseconds (`adjtimex(2)`): grows by 500 each second without a correction.
#[expect(unsafe_code, reason = "no safe library asks adjtimex(2)")]
fn largest_error() -> std::io::Result<i64> {
    // SAFETY: `timex` is made of integers only; with `modes` 0 the call reads the clock's state and sets nothing.
    let (state, seen) = unsafe {
        let mut seen: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut seen), seen)
    };
    if state == -1 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(seen.maxerror)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linux_can_be_asked() {
        let error = largest_error().expect("adjtimex without a change is allowed to everybody");
        assert!((0..=GAVE_UP).contains(&error), "{error}");
        let clock = look();
        assert_eq!(
            clock.present().map(|clock| clock.synchronized),
            Some(error < GAVE_UP)
        );
    }
}
