//! How object stores are reached: as the service is, nothing is sent on to where an answer leads, and no variable lets a certificate pass.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    SpawnService,
};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::store::leaving;

/// How long a machine is waited for that may give credentials.
const MACHINE: Duration = Duration::from_secs(2);

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
        // Of this machine, or of the one that it runs on: no proxy is to see what is sent there, and the machine's certificates need not
        // be read.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build()
}

/// Connections live on a runtime that goes on while others wait.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) handle: Handle,
    /// Those that give credentials.
    pub(super) variables: &'static str,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = plain.is_some_and(|plain| plain == "true");
        let client = client(plain).map_err(|error| object_store::Error::Generic {
            store: "HTTP",
            source: error.into(),
        })?;
        let client = HttpClient::new(SpawnService::new(client, self.handle.clone()));
        let client = HttpClient::new(Patient(client));
        // By this, object_store means to ask the machine itself.
        let wait = options.get_config_value(&ClientConfigKey::ConnectTimeout);
        if wait.as_deref() != Some("1s") {
            return Ok(client);
        }
        Ok(HttpClient::new(Machine {
            client,
            variables: self.variables,
            failing: Mutex::default(),
        }))
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

/// An error that is not tried again.
fn last(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

/// Waits for answers as long as nobody wants the run to end.
#[derive(Debug)]
struct Patient(HttpClient);

impl HttpService for Patient {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            match leaving::waited(self.0.execute(request)).await {
                None => Err(last(io::Error::other(
                    "no answer came before the run had to end",
                ))),
                Some(Err(error)) if leaving::is_over() => Err(last(error)),
                Some(answer) => answer,
            }
        })
    }
}

/// The machine, which is asked for credentials where no variable gives any. Most have none: they do not answer, or with an error.
#[derive(Debug)]
struct Machine {
    client: HttpClient,
    variables: &'static str,
    /// Since when it does not answer. In its first seconds, one that has some may not either.
    failing: Mutex<Option<Instant>>,
}

/// Nothing says who asks.
#[derive(Debug, thiserror::Error)]
#[error(
    "no variable gives credentials, and this machine has none of its own ({why}): set {variables}"
)]
pub(super) struct NoCredentials {
    why: String,
    variables: &'static str,
}

impl HttpService for Machine {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let answer = timeout(MACHINE, self.client.execute(request)).await;
            let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            let variables = self.variables;
            match answer {
                Ok(Ok(answer)) if is_refused(&answer) => {
                    let why = format!("it answers with {}", answer.status());
                    Err(last(NoCredentials { why, variables }))
                }
                Ok(Ok(answer)) => {
                    *failing = None;
                    Ok(answer)
                }
                Ok(Err(_)) | Err(_) => {
                    let since = *failing.get_or_insert_with(Instant::now);
                    let why = "it does not answer".to_owned();
                    let error = NoCredentials { why, variables };
                    match since.elapsed() > MACHINE {
                        true => Err(last(error)),
                        false => Err(HttpError::new(HttpErrorKind::Connect, error)),
                    }
                }
            }
        })
    }
}

/// Whether to ask again is of no use.
fn is_refused(answer: &HttpResponse) -> bool {
    answer.status().is_client_error() && answer.status() != StatusCode::TOO_MANY_REQUESTS
}
