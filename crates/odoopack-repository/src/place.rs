//! Where a repository is: a directory, or a bucket with a prefix.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use odoopack_core::secret::SecretText;

use crate::error::{Error, Result};

/// Longest that one request to a bucket may take, and how long it is retried in all.
const REQUEST: Duration = Duration::from_mins(2);
const RETRYING: Duration = Duration::from_mins(5);

/// A directory or a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory of this host, or one mounted on it.
    Directory(String),
    /// S3 or what speaks like it.
    Bucket(Bucket),
}

/// A bucket, and a prefix in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Address of the service, such as `https://sgp1.digitaloceanspaces.com`.
    pub endpoint: String,
    /// Name of the bucket.
    pub name: String,
    /// Directory in the bucket; empty for its root.
    pub prefix: String,
    /// Region that requests are signed for.
    pub region: String,
    /// Who asks.
    pub access: Access,
    /// Whether requests name the bucket in their host, not in their path.
    pub in_host: bool,
    /// Whether the bucket has object lock with a default retention.
    pub object_lock: bool,
    /// Wait longer for a busy service (`true` outside of tests).
    pub patient: bool,
}

/// A pair of an access key's name and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: SecretText,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => f.write_str(path),
            Self::Bucket(bucket) => {
                write!(f, "{}/{}", bucket.endpoint.trim_end_matches('/'), bucket.name)?;
                if bucket.prefix.is_empty() {
                    Ok(())
                } else {
                    write!(f, "/{}", bucket.prefix)
                }
            }
        }
    }
}

impl Place {
    /// Whether there can be anything: opening a directory makes it, and where a disk is not mounted nothing is to be made.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Directory(path) => std::path::Path::new(path).exists(),
            Self::Bucket(_) => true,
        }
    }

    /// The store behind a place, and the path of the repository in it.
    pub(crate) fn open(&self) -> Result<(Arc<dyn ObjectStore>, Path)> {
        match self {
            Self::Directory(path) => directory(path).map(|store| (store, Path::default())),
            Self::Bucket(bucket) => {
                let store = self.bucket(bucket, retries(bucket))?;
                Ok((store, Path::from(bucket.prefix.as_str())))
            }
        }
    }

    /// The same store, which asks no second time for what went wrong.
    pub(crate) fn open_once(&self) -> Result<Arc<dyn ObjectStore>> {
        match self {
            Self::Directory(path) => directory(path),
            Self::Bucket(bucket) => self.bucket(bucket, 0),
        }
    }

    fn bucket(&self, bucket: &Bucket, max_retries: usize) -> Result<Arc<dyn ObjectStore>> {
        provide();
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries,
            retry_timeout: if bucket.patient {
                RETRYING
            } else {
                Duration::from_secs(10)
            },
        };
        let timeout = if bucket.patient {
            REQUEST
        } else {
            Duration::from_secs(3)
        };
        let plain = bucket.endpoint.starts_with("http://");
        let client = ClientOptions::new().with_timeout(timeout).with_allow_http(plain);
        let mut builder = addressed(bucket)
            .with_access_key_id(&bucket.access.id)
            .with_secret_access_key(bucket.access.secret.expose())
            .with_client_options(client)
            .with_retry(retry);
        if bucket.object_lock {
            // It takes no object without a checksum that the service compares (Amazon S3, "Considerations for Object Lock").
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        let store = builder.build().map_err(|e| self.unusable(&e))?;
        Ok(Arc::new(store))
    }

    fn unusable(&self, error: &object_store::Error) -> Error {
        Error::Store {
            act: "open the store".to_owned(),
            place: self.to_string(),
            why: error.to_string(),
        }
    }
}

/// One provider for the whole process: ring. An error only says that it was set before.
fn provide() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
}

/// Where requests go; the host that names the bucket is ours to make.
///
/// # Source
/// `object_store` 0.14, `AmazonS3Builder::with_virtual_hosted_style_request`.
fn addressed(bucket: &Bucket) -> AmazonS3Builder {
    let endpoint = bucket.endpoint.trim_end_matches('/');
    let endpoint = match endpoint.split_once("://") {
        Some((scheme, host)) if bucket.in_host => format!("{scheme}://{}.{host}", bucket.name),
        _ => endpoint.to_owned(),
    };
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_virtual_hosted_style_request(bucket.in_host)
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
}

fn retries(bucket: &Bucket) -> usize {
    if bucket.patient { 10 } else { 3 }
}

fn directory(path: &str) -> Result<Arc<dyn ObjectStore>> {
    let failed = |why: String| Error::Store {
        act: "open the directory".to_owned(),
        place: path.to_owned(),
        why,
    };
    std::fs::create_dir_all(path).map_err(|e| failed(e.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|e| failed(e.to_string()))?;
    Ok(Arc::new(store.with_fsync(true)))
}

#[cfg(test)]
mod tests {
    use object_store::signer::Signer;

    use super::*;

    #[test]
    fn a_bucket_is_named_in_the_path_or_in_the_host() {
        provide();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (in_host, url) in [
            (false, "https://s3.eu.example:9000/odoo-backups/erp/config?"),
            (true, "https://odoo-backups.s3.eu.example:9000/erp/config?"),
        ] {
            let bucket = Bucket {
                endpoint: "https://s3.eu.example:9000/".to_owned(),
                name: "odoo-backups".to_owned(),
                prefix: "erp".to_owned(),
                region: "eu-1".to_owned(),
                access: Access {
                    id: "id".to_owned(),
                    secret: SecretText::new("word"),
                },
                in_host,
                object_lock: false,
                patient: false,
            };
            let store = addressed(&bucket)
                .with_access_key_id("id")
                .with_secret_access_key("word");
            let (store, path) = (store.build().unwrap(), Path::from("erp/config"));
            let asked = store.signed_url(hyper::Method::GET, &path, Duration::from_mins(1));
            let asked = runtime.block_on(asked).unwrap();
            assert!(asked.as_str().starts_with(url), "{asked}");
            // People know it by one name, whichever way it is asked.
            assert_eq!(
                Place::Bucket(bucket).to_string(),
                "https://s3.eu.example:9000/odoo-backups/erp"
            );
        }
    }
}
