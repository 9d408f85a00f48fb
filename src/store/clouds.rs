//! Object stores by their address: who is asked, and with whose credentials, is said by the variables that each cloud's own tools
//! read.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use crate::model::address::{Cloud, ObjectAddress, is_loopback};
use crate::store::cloud_http::Connector;
use crate::store::error::StoreError;
use crate::store::object_versions::{Keeper, Lister};
use crate::store::object_words::without_addresses;
use crate::store::objects::{Manner, Objects, runtime};

/// How long a request is tried again: a lock has to be renewed in time.
const PATIENCE: Duration = Duration::from_secs(15);

/// What object_store says where Azure's account is not named, and what to do.
const NO_ACCOUNT: &str = "Account must be specified";
const SET_ACCOUNT: &str = "no variable names the account: set AZURE_STORAGE_ACCOUNT_NAME";

/// The place that `address` names.
pub(super) fn open(address: &ObjectAddress) -> Result<Objects, StoreError> {
    let (store, path, lister) = built(address)?;
    let objects = Objects::new(address.to_string(), store, path, Manner::USUAL);
    Ok(objects.with(lister))
}

/// The store of `address`.
#[cfg(test)]
pub(crate) fn store(address: &ObjectAddress) -> Arc<dyn ObjectStore> {
    built(address).unwrap().0
}

/// The store of `address`, where it is in there, and what knows its versions.
fn built(address: &ObjectAddress) -> Result<(Arc<dyn ObjectStore>, Path, Lister), StoreError> {
    // Fails when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let at = address.to_string();
    let failed = |text: String| StoreError::Unusable {
        at: at.clone(),
        why: without_addresses(&text.replace(NO_ACCOUNT, SET_ACCOUNT)),
    };
    let retry = RetryConfig {
        retry_timeout: PATIENCE,
        max_retries: usize::MAX,
        backoff: BackoffConfig {
            max_backoff: Duration::from_secs(2),
            ..BackoffConfig::default()
        },
    };
    let allow = ClientConfigKey::AllowHttp;
    let bucket = &address.bucket;
    let runtime = runtime().map_err(|error| failed(error.to_string()))?;
    let connector = |variables| Connector {
        handle: runtime.handle().clone(),
        variables,
    };
    // Each takes its variables by itself, and plain HTTP from none of them.
    macro_rules! built {
        ($builder:ty, $bucket:ident, $client:path, [$($endpoint:path),+], $variables:expr, $keeper:expr) => {{
            let builder = <$builder>::from_env();
            let endpoint = [$($endpoint),+].iter().find_map(|key| builder.get_config_value(key));
            let plain = is_plain(endpoint.as_deref()).map_err(&failed)?;
            let built = builder
                .clone()
                .with_config($client(allow), plain.to_string())
                .$bucket(bucket)
                .with_http_connector(connector($variables))
                .with_retry(retry)
                .build()
                .map_err(|error| failed(error.to_string()))?;
            let store = Arc::new(built.clone()) as Arc<dyn ObjectStore>;
            (store, $keeper(built, builder, endpoint)?, plain)
        }};
    }
    let url = |text: String| Url::parse(&text).map_err(|error| failed(error.to_string()));
    use {AmazonS3ConfigKey as S3, AzureConfigKey as Azure, GoogleConfigKey as Google};
    let (store, keeper, plain) = match address.cloud {
        Cloud::S3 => built!(
            AmazonS3Builder,
            with_bucket_name,
            S3::Client,
            [S3::S3Endpoint, S3::Endpoint],
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            |store, _, _| Ok::<_, StoreError>(Keeper::S3(store))
        ),
        Cloud::Azure => built!(
            MicrosoftAzureBuilder,
            with_container_name,
            Azure::Client,
            [Azure::Endpoint],
            "AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
            |store, builder: MicrosoftAzureBuilder, endpoint: Option<String>| {
                let account = builder.get_config_value(&Azure::AccountName);
                let account = account.unwrap_or_default();
                let usual = || format!("https://{account}.blob.core.windows.net");
                let endpoint = endpoint.unwrap_or_else(usual);
                let container = url(format!("{}/{bucket}", endpoint.trim_end_matches('/')))?;
                Ok::<_, StoreError>(Keeper::Azure(store, account, container))
            }
        ),
        Cloud::Google => built!(
            GoogleCloudStorageBuilder,
            with_bucket_name,
            Google::Client,
            [Google::BaseUrl],
            "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
            |store, _, endpoint: Option<String>| {
                let usual = || "https://storage.googleapis.com".to_owned();
                let endpoint = endpoint.unwrap_or_else(usual);
                let objects = url(format!(
                    "{}/storage/v1/b/{bucket}/o",
                    endpoint.trim_end_matches('/')
                ))?;
                Ok::<_, StoreError>(Keeper::Google(store, objects))
            }
        ),
    };
    let path = Path::parse(&address.key).map_err(|error| failed(error.to_string()))?;
    Ok((store, path, Lister { keeper, plain }))
}

/// Whether an endpoint takes plain HTTP, which only this machine may.
fn is_plain(endpoint: Option<&str>) -> Result<bool, String> {
    let Some(endpoint) = endpoint else {
        return Ok(false);
    };
    let url =
        Url::parse(endpoint).map_err(|error| format!("its endpoint is no address: {error}"))?;
    match (url.scheme(), url.host()) {
        ("https", _) => Ok(false),
        ("http", Some(host)) if is_loopback(&host) => Ok(true),
        _ => Err(
            "its endpoint is not https, which only one of this machine may be without".to_owned(),
        ),
    }
}
