//! The service that a command talks to: the account's, or the embedded simulator.

use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::args::NetworkArgs;
use super::exit::Failure;
use super::workspace::Workspace;
use crate::model::Secret;
use crate::service::http::Http;
use crate::service::pace::Pacer;
use crate::service::requests::Client;
use crate::simulator::{Running, Settings, SimKey, Simulator, SimulatorOptions};

/// Where the sandbox keeps its rooms.
const SANDBOX_FILE: &str = ".roomctl/sandbox.json";

/// A service, ready to be talked to.
pub(crate) struct Backend {
    /// A client for it.
    pub base_url: String,
    key: Secret,
    timeout: Duration,
    sandbox: Option<Running>,
}

/// Opens the service that `settings` name: the account of `app`, or the sandbox.
pub(crate) async fn open(
    workspace: &Workspace,
    app: &str,
    timeout: Duration,
) -> Result<Backend, Failure> {
    if !workspace.sandbox {
        return Ok(Backend {
            base_url: workspace.base_url(app),
            key: workspace.key()?,
            timeout,
            sandbox: None,
        });
    }
    // A key of its own for each run: the account's must not even get near the sandbox.
    let key = Uuid::new_v4().to_string();
    let mut options = SimulatorOptions::new(Settings {
        seed: Uuid::new_v4().as_u64_pair().0,
        ..Settings::new(app, SimKey::new(key.as_str()))
    });
    options.data = Some(Path::new(SANDBOX_FILE).to_owned());
    let running = Simulator::start(options).await?;
    Ok(Backend {
        base_url: running.base_url(),
        key: Secret::new(key),
        timeout,
        sandbox: Some(running),
    })
}

/// The service of `backend` at the pace of `args`.
pub(crate) fn paced(
    workspace: &Workspace,
    args: &NetworkArgs,
    backend: &Backend,
) -> Result<Client<Http>, Failure> {
    let (rate, burst) = workspace.pace(&args.pace)?;
    let seed = Uuid::new_v4().as_u64_pair().0;
    Ok(Client::new(
        backend.client()?,
        Pacer::new(&rate, burst),
        seed,
    ))
}

impl Backend {
    /// A client for it.
    pub(crate) fn client(&self) -> Result<Http, Failure> {
        Ok(Http::new(&self.base_url, self.key.clone(), self.timeout)?)
    }

    pub(crate) async fn close(self) -> Result<(), Failure> {
        match self.sandbox {
            Some(running) => Ok(running.close().await?),
            None => Ok(()),
        }
    }
}
