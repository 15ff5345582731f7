//! The address of a bucket: a service, the bucket's name, a directory in it.
use std::fmt;
use std::str::FromStr;

use super::UnknownWord;

/// How requests name a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketStyle {
    /// In the path: `https://SERVICE/BUCKET/..`.
    Path,
    /// In the host: `https://BUCKET.SERVICE/..`.
    Virtual,
}

impl fmt::Display for BucketStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Path => "path",
            Self::Virtual => "virtual",
        })
    }
}

impl FromStr for BucketStyle {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "path" => Ok(Self::Path),
            "virtual" => Ok(Self::Virtual),
            other => Err(UnknownWord {
                word: other.to_owned(),
                known: "path, virtual",
            }),
        }
    }
}

/// `https://SERVICE/BUCKET` or `https://SERVICE/BUCKET/DIRECTORY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAddress {
    /// Scheme and host, such as `https://sgp1.digitaloceanspaces.com`.
    pub endpoint: String,
    /// Name of the bucket.
    pub name: String,
    /// Directory in the bucket; empty for its root.
    pub prefix: String,
}

/// A text that is no [`BucketAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a bucket, such as `https://sgp1.digitaloceanspaces.com/odoo-backups`")]
pub struct BadBucket;

impl FromStr for BucketAddress {
    type Err = BadBucket;

    fn from_str(text: &str) -> Result<Self, BadBucket> {
        let (scheme, rest) = text.split_once("://").ok_or(BadBucket)?;
        let (host, path) = rest.split_once('/').ok_or(BadBucket)?;
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
        // The rules of S3 for names (3 to 63 characters); a dot is no good with certificates, and still is one.
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
        let is_part = |part: &str| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(inner)
        };
        let good = matches!(scheme, "http" | "https")
            && !host.is_empty()
            && host.bytes().all(is_host)
            && (3..=63).contains(&name.len())
            && name.bytes().all(is_name)
            && (prefix.is_empty() || prefix.split('/').all(is_part));
        let address = || Self {
            endpoint: format!("{scheme}://{host}"),
            name: name.to_owned(),
            prefix: prefix.to_owned(),
        };
        good.then(address).ok_or(BadBucket)
    }
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.endpoint, self.name)?;
        if self.prefix.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.prefix)
        }
    }
}

impl serde::Serialize for BucketAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_service_a_bucket_and_perhaps_a_directory() {
        let whole: BucketAddress = "https://s3.eu.example:9000/odoo-backups/erp/one".parse().unwrap();
        assert_eq!(
            (
                whole.endpoint.as_str(),
                whole.name.as_str(),
                whole.prefix.as_str()
            ),
            ("https://s3.eu.example:9000", "odoo-backups", "erp/one")
        );
        assert_eq!(
            whole.to_string(),
            "https://s3.eu.example:9000/odoo-backups/erp/one"
        );
        for wrong in [
            "s3://bucket",
            "https://host",
            "https:///bucket",
            "https://host/ab",
            "https://host/Bucket",
            "https://me:word@host/bucket",
            "https://host/bucket/../other",
            "https://host/bucket//x",
        ] {
            assert!(wrong.parse::<BucketAddress>().is_err(), "{wrong}");
        }
    }
}
