//! The pack's own certificate authority and the certificates it issues.
use camino::{Utf8Path, Utf8PathBuf};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use odoopack_core::facts::Certificate;

use crate::failure::{Failure, Result};
use crate::files;

/// How long a certificate holds; browsers refuse more than 398 days.
const DAYS: i64 = 397;
/// How long the authority holds.
const AUTHORITY_DAYS: i64 = 3650;

/// The authority's certificate, for people who want their browser to trust it.
pub(crate) fn authority_file(tls: &Utf8Path) -> Utf8PathBuf {
    tls.join("authority.pem")
}

/// Issues a certificate for `domain` into `<name>.pem` and `<name>.key`, making the authority first when there is none.
///
/// # Effects
/// Writes up to four files into `tls`, keys with mode 0600; repeatable.
pub(crate) fn issue(tls: &Utf8Path, name: &str, domain: &str) -> Result<()> {
    let failed =
        |e: rcgen::Error| Failure::failed(format!("could not make a certificate for `{domain}`")).because(e);
    let (authority_pem, issuer) = authority(tls)?;
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![domain.to_owned()]).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, domain);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid_for(&mut params, DAYS);
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    let chain = format!("{}{authority_pem}", certificate.pem());
    files::replace(
        &tls.join(format!("{name}.key")),
        key.serialize_pem().as_bytes(),
        0o600,
        None,
    )?;
    files::replace(&tls.join(format!("{name}.pem")), chain.as_bytes(), 0o644, None)
}

fn authority(tls: &Utf8Path) -> Result<(String, Issuer<'static, KeyPair>)> {
    let failed =
        |e: rcgen::Error| Failure::failed("could not make the pack's certificate authority").because(e);
    let (pem, key) = (authority_file(tls), tls.join("authority.key"));
    if let (Some(pem), Some(key)) = (files::read_text(&pem)?, files::read_text(&key)?) {
        let key = KeyPair::from_pem(&key).map_err(failed)?;
        return Ok((pem, Issuer::new(authority_params(), key)));
    }
    let pair = KeyPair::generate().map_err(failed)?;
    let params = authority_params();
    let text = params.self_signed(&pair).map_err(failed)?.pem();
    files::replace(&key, pair.serialize_pem().as_bytes(), 0o600, None)?;
    files::replace(&pem, text.as_bytes(), 0o644, None)?;
    Ok((text, Issuer::new(params, pair)))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "odoopack local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, AUTHORITY_DAYS);
    params
}

fn valid_for(params: &mut CertificateParams, days: i64) {
    let now = jiff::Timestamp::now().as_second();
    let date = |seconds: i64| {
        let date = jiff::Timestamp::from_second(seconds)
            .unwrap_or_default()
            .to_zoned(jiff::tz::TimeZone::UTC);
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    params.not_before = date(now - 86_400);
    params.not_after = date(now + days * 86_400);
}

/// Reads the first certificate of a PEM text: its end and its names.
pub(crate) fn parse(pem: &str) -> std::result::Result<Certificate, String> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| e.to_string())?;
    let certificate = block.parse_x509().map_err(|e| e.to_string())?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|e| e.to_string())?;
    let names = names
        .map(|names| &names.value.general_names[..])
        .unwrap_or_default();
    let dns = names.iter().filter_map(|name| {
        if let x509_parser::extensions::GeneralName::DNSName(text) = name {
            Some((*text).to_owned())
        } else {
            None
        }
    });
    Ok(Certificate {
        not_after: certificate.validity().not_after.timestamp(),
        names: dns.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_a_certificate_that_names_the_host_and_ends_in_about_a_year() {
        let keep = tempfile::tempdir().unwrap();
        let tls = Utf8Path::from_path(keep.path()).unwrap();
        issue(tls, "production", "erp.example.net").unwrap();
        issue(tls, "staging", "staging.example.net").unwrap();
        let seen = parse(&files::read_text(&tls.join("production.pem")).unwrap().unwrap()).unwrap();
        assert_eq!(seen.names, ["erp.example.net"]);
        let days = (seen.not_after - jiff::Timestamp::now().as_second()) / 86_400;
        assert!((390..398).contains(&days), "{days}");
    }
}
