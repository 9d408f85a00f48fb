//! How object stores are reached: as the service is, nothing is sent on to where an answer leads, and no variable lets a certificate pass.

use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector, SpawnService};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

/// The client of a store, `plain` where that is asked without TLS.
pub(super) fn client(plain: bool) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .referer(false)
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
    builder.build()
}

/// Connections live on a runtime that goes on while others wait.
#[derive(Debug)]
pub(super) struct Connector(pub(super) Handle);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = plain.is_some_and(|plain| plain == "true");
        let client = client(plain).map_err(|error| object_store::Error::Generic {
            store: "HTTP",
            source: error.into(),
        })?;
        Ok(HttpClient::new(SpawnService::new(client, self.0.clone())))
    }
}
