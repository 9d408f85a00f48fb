//! The world behind a socket on loopback: started, looked at from the side, and closed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::accept;
use super::desk::{Desk, Shared, lock};
use super::log::{Counts, Record};
use super::storage::StorageError;
use super::world::{Settings, World};

/// How long a clean close waits for requests under way.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// What a simulator is started with. Holds the key, so it cannot be printed.
#[derive(Clone)]
pub struct SimulatorOptions {
    /// Where to listen; has to be loopback. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where rooms are kept; in memory only without it.
    pub data: Option<PathBuf>,
    /// The service itself.
    pub settings: Settings,
}

impl SimulatorOptions {
    /// A free port on 127.0.0.1, in memory.
    pub fn new(settings: Settings) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: None,
            settings,
        }
    }
}

/// Why a simulator could not be started or closed.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// The address can be reached from elsewhere.
    #[error("the simulator listens on loopback only, such as 127.0.0.1:0, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The data file cannot be read or written.
    #[error("failed to keep the simulator's rooms")]
    Storage(#[from] StorageError),
}

/// Starts simulators.
#[derive(Clone, Copy, Debug)]
pub struct Simulator;

impl Simulator {
    /// Opens the data file if there is one, listens, and serves until closed or dropped. Needs a running tokio
    /// runtime with I/O and time.
    ///
    /// # Errors
    /// When the address is not loopback or is taken, or the data file is in use, damaged or of another app.
    pub async fn start(options: SimulatorOptions) -> Result<Running, SimulatorError> {
        let address = options.listen;
        if !address.ip().to_canonical().is_loopback() {
            return Err(SimulatorError::NotLoopback(address));
        }
        let desk = Desk::new(World::new(options.settings), options.data.as_deref())?;
        let desk = Arc::new(Mutex::new(desk));
        let failed = |source| SimulatorError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Arc::clone(&desk), stopped));
        Ok(Running {
            address,
            desk,
            stop,
            task,
        })
    }
}

/// A simulator that answers. Dropping it ends it at once.
pub struct Running {
    address: SocketAddr,
    desk: Shared,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// What a client takes for `https://<app>.metered.live`, such as `http://127.0.0.1:40123`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the world, or changes it from the side. No request is answered meanwhile. Changes are written to
    /// the data file before this returns; [`Running::close`] says when that failed.
    pub fn with_world<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        lock(&self.desk).edit(edit)
    }

    /// What was asked so far, in numbers.
    pub fn requests(&self) -> Counts {
        lock(&self.desk).world.counts()
    }

    /// The last requests, oldest first; empty unless [`Settings::log`] was set.
    pub fn log(&self) -> Vec<Record> {
        lock(&self.desk).world.log()
    }

    /// Lets requests under way finish (up to five seconds), and lets go of the data file.
    ///
    /// # Errors
    /// When a change could not be written to the data file.
    pub async fn close(mut self) -> Result<(), SimulatorError> {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(CLOSE_WAIT, &mut self.task).await;
        if ended.is_err() {
            self.task.abort();
            // Cancelled, which is what was asked for.
            let _ = (&mut self.task).await;
        }
        Ok(lock(&self.desk).close()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
