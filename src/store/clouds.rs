//! Object stores by their address: who is asked, and with whose credentials, is said by the variables that each cloud's own tools
//! read.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, SpawnService};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;
use url::Url;

use crate::model::address::{Cloud, ObjectAddress, is_loopback};
use crate::store::error::StoreError;
use crate::store::object_words::without_addresses;
use crate::store::objects::{Manner, Objects, runtime};

/// How long a request is tried again: a lock has to be renewed in time.
const PATIENCE: Duration = Duration::from_secs(15);

/// The place that `address` names.
pub(super) fn open(address: &ObjectAddress) -> Result<Objects, StoreError> {
    let (store, path) = store(address)?;
    Ok(Objects::new(
        address.to_string(),
        store,
        path,
        Manner::USUAL,
    ))
}

/// The store of `address`, and where it is in there.
pub(crate) fn store(address: &ObjectAddress) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
    // Fails when there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let at = address.to_string();
    let failed = |text: String| StoreError::Unusable {
        at: at.clone(),
        why: without_addresses(&text),
    };
    let retry = RetryConfig {
        retry_timeout: PATIENCE,
        max_retries: usize::MAX,
        backoff: BackoffConfig {
            max_backoff: Duration::from_secs(2),
            ..BackoffConfig::default()
        },
    };
    let client = ClientConfigKey::AllowHttp;
    let bucket = &address.bucket;
    let runtime = runtime().map_err(|error| failed(error.to_string()))?;
    let connector = Connector(runtime.handle().clone());
    // Each takes its variables by itself, and plain HTTP from none of them.
    macro_rules! built {
        ($builder:ty, $bucket:ident, $client:path, $($endpoint:path),+) => {{
            let builder = <$builder>::from_env();
            let endpoint = [$($endpoint),+].iter().find_map(|key| builder.get_config_value(key));
            let plain = is_plain(endpoint.as_deref()).map_err(&failed)?;
            let builder = builder
                .with_config($client(client), plain)
                .$bucket(bucket)
                .with_http_connector(connector)
                .with_retry(retry);
            let built = builder.build();
            built.map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        }};
    }
    use {AmazonS3ConfigKey as S3, AzureConfigKey as Azure, GoogleConfigKey as Google};
    let store = match address.cloud {
        Cloud::S3 => built!(
            AmazonS3Builder,
            with_bucket_name,
            S3::Client,
            S3::S3Endpoint,
            S3::Endpoint
        ),
        Cloud::Azure => built!(
            MicrosoftAzureBuilder,
            with_container_name,
            Azure::Client,
            Azure::Endpoint
        ),
        Cloud::Google => built!(
            GoogleCloudStorageBuilder,
            with_bucket_name,
            Google::Client,
            Google::BaseUrl
        ),
    };
    let store = store.map_err(|error| failed(error.to_string()))?;
    let path = Path::parse(&address.key).map_err(|error| failed(error.to_string()))?;
    Ok((store, path))
}

/// Connects as to the service: nothing is sent on to where an answer leads, and no variable lets a certificate pass. Connections
/// live on a runtime that goes on while others wait.
#[derive(Debug)]
struct Connector(Handle);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = plain.is_some_and(|plain| plain == "true");
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .https_only(!plain)
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(120))
            .user_agent(concat!("roomctl/", env!("CARGO_PKG_VERSION")));
        if plain {
            // Of this machine, or of the one that it runs on: no proxy is to see what is sent there.
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| object_store::Error::Generic {
                store: "HTTP",
                source: error.into(),
            })?;
        Ok(HttpClient::new(SpawnService::new(client, self.0.clone())))
    }
}

/// Whether an endpoint takes plain HTTP, which only this machine may.
fn is_plain(endpoint: Option<&str>) -> Result<&'static str, String> {
    let Some(endpoint) = endpoint else {
        return Ok("false");
    };
    let url =
        Url::parse(endpoint).map_err(|error| format!("its endpoint is no address: {error}"))?;
    match (url.scheme(), url.host()) {
        ("https", _) => Ok("false"),
        ("http", Some(host)) if is_loopback(&host) => Ok("true"),
        _ => Err(
            "its endpoint is not https, which only one of this machine may be without".to_owned(),
        ),
    }
}
