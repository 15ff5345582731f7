//! `certificate`: it is trusted, for this name, and will not run out soon.
use std::time::{Duration, SystemTime};

use x509_parser::parse_x509_certificate;

use super::client::{Client, Judged, Step};

/// A renewal that fails is noticed while there is time to act.
const ENOUGH_DAYS: i64 = 14;
const PATIENCE: Duration = Duration::from_secs(10);

/// Name and chain are verified by the handshake itself; the days are counted here.
pub(super) fn certificate(client: &Client<'_>) -> Step<Judged> {
    let url = client.url("");
    let connection = client
        .connect(PATIENCE)
        .map_err(|trouble| Judged::trouble(url.clone(), &trouble))?;
    let leaf = connection
        .conn
        .peer_certificates()
        .and_then(|chain| chain.first());
    let Some(ends) = leaf.and_then(|der| not_after(der.as_ref())) else {
        return Err(Judged::fail(url, None, "the certificate cannot be read"));
    };
    let days = (ends - now()) / 86_400;
    let detail = format!("good until {}, {days} days", date(ends));
    if days < ENOUGH_DAYS {
        return Err(Judged::fail(url, None, format!("{detail}: renewal is overdue")));
    }
    Ok(Judged {
        url,
        code: None,
        verdict: super::Verdict::Pass,
        detail,
    })
}

/// Seconds since 1970.
fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "ever".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}
