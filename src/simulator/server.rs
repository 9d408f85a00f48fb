//! The world behind a socket. A thin edge: it reads a request, asks the world, writes the change down, and
//! delivers the answer as the world said, which may be not at all.
//!
//! hyper is used directly, since a service that fails makes it close the connection without writing a byte.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::exchange::BODY_LIMIT;
use super::faults::Fault;
use super::log::{Counts, Record};
use super::quirks::Quirks;
use super::request::{Method, Request};
use super::response::{Delivery, Response};
use super::storage::{Storage, StorageError};
use super::world::{Settings, SimKey, World};

/// How long a clean close waits for requests under way.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be accepted, as with too many open files.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// What a simulator is started with. Holds the key, so it cannot be printed.
#[derive(Clone)]
pub struct SimulatorOptions {
    /// Where to listen; has to be loopback. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The app whose rooms these are.
    pub app: String,
    /// The key that requests have to bring.
    pub key: SimKey,
    /// The personality.
    pub quirks: Quirks,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Where rooms are kept; in memory only without it.
    pub data: Option<PathBuf>,
    /// Whether requests are remembered, not only counted.
    pub log: bool,
    /// Where ids, invented names and shares of faults begin.
    pub seed: u64,
}

impl SimulatorOptions {
    /// A free port on 127.0.0.1, default personality, no faults, in memory, no log.
    pub fn new(app: impl Into<String>, key: SimKey) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            app: app.into(),
            key,
            quirks: Quirks::default(),
            faults: Vec::new(),
            data: None,
            log: false,
            seed: 0,
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

/// The world and where it is written down: one lock for both, so that lines have the order of the changes.
struct Desk {
    world: World,
    storage: Option<Storage>,
    /// A change could not be written down. Going on would make promises that a restart breaks.
    broken: Option<StorageError>,
}

impl Desk {
    fn answer(&mut self, request: &Request) -> Response {
        if self.broken.is_none() {
            let response = self.edit(|world| world.handle(request));
            if self.broken.is_none() {
                return response;
            }
        }
        Response::server_error("the data file cannot be written")
    }

    /// Does something to the world, and writes down what it changed.
    fn edit<T>(&mut self, edit: impl FnOnce(&mut World) -> T) -> T {
        let result = edit(&mut self.world);
        let changes = self.world.take_changes();
        if self.broken.is_none()
            && let Some(storage) = &mut self.storage
            && let Err(error) = storage.append(&changes)
        {
            tracing::error!(%error, "the simulator's data file cannot be written");
            self.broken = Some(error);
        }
        result
    }

    /// Lets go of the data file.
    fn close(&mut self) -> Result<(), StorageError> {
        self.storage = None;
        self.broken.take().map_or(Ok(()), Err)
    }
}

type Shared = Arc<Mutex<Desk>>;

/// A panic elsewhere leaves the world usable: changes are made in one step.
fn lock(desk: &Shared) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
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
        let SimulatorOptions {
            listen,
            app,
            key,
            quirks,
            faults,
            data,
            log,
            seed,
        } = options;
        if !listen.ip().to_canonical().is_loopback() {
            return Err(SimulatorError::NotLoopback(listen));
        }
        let mut world = World::new(Settings {
            app,
            key,
            quirks,
            faults,
            log,
            seed,
        });
        let storage = data
            .map(|path| Storage::open(&path, &mut world))
            .transpose()?;
        let failed = |source| SimulatorError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let desk = Arc::new(Mutex::new(Desk {
            world,
            storage,
            broken: None,
        }));
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
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

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

    /// The last requests, oldest first; empty unless [`SimulatorOptions::log`] was set.
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

impl fmt::Debug for Running {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Running")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Accepts connections until told to stop, then waits for those that are open.
async fn accept(listener: TcpListener, desk: Shared, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // The sender is gone only when nobody can ask for a clean stop any more.
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&desk), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the simulator cannot accept a connection");
                    tokio::time::sleep(ACCEPT_WAIT).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection until either side ends it.
async fn serve(stream: TcpStream, desk: Shared, mut stopped: watch::Receiver<bool>) {
    // Small answers are to leave at once; without this they merely leave later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| exchange(request, &desk));
    let mut connection =
        pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the simulator ended early");
    }
}

/// Makes hyper close the connection.
#[derive(Debug, Error)]
enum Cut {
    #[error("dropped on purpose")]
    OnPurpose,
    #[error("the request did not arrive whole")]
    Request(#[source] hyper::Error),
}

/// One request and its answer.
async fn exchange(
    request: hyper::Request<Incoming>,
    desk: &Shared,
) -> Result<hyper::Response<Outgoing>, Cut> {
    let (head, body) = request.into_parts();
    let body = read(body).await.map_err(Cut::Request)?;
    let request = Request::new(Method::of(head.method.as_str()), head.uri.path())
        .with_query(head.uri.query().unwrap_or_default())
        .with_bytes(body)
        .at(now_ms());
    let response = lock(desk).answer(&request);
    if response.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(response.delay_ms)).await;
    }
    outgoing(response)
}

/// Reads a body. Of one that is too large, one byte too many is kept and the rest read and forgotten, so that
/// the sender gets to see the refusal instead of a broken pipe.
async fn read(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            let room = (BODY_LIMIT + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(bytes)
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn outgoing(response: Response) -> Result<hyper::Response<Outgoing>, Cut> {
    let announced = response.body.len() as u64;
    let mut bytes = Bytes::from(response.body);
    match response.delivery {
        Delivery::Whole => {}
        Delivery::Short(kept) => bytes.truncate(kept),
        Delivery::Dropped => return Err(Cut::OnPurpose),
    }
    let mut outgoing = hyper::Response::new(Outgoing {
        is_short: (bytes.len() as u64) < announced,
        announced,
        bytes: Some(bytes),
        flushed: false,
    });
    // Statuses are constants of this module, so this cannot fail.
    *outgoing.status_mut() = hyper::StatusCode::from_u16(response.status).unwrap_or_default();
    for (name, value) in response.headers {
        // A path in a `location` came in through hyper, and so is fit for a header.
        if let Ok(value) = HeaderValue::from_str(&value) {
            outgoing
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    Ok(outgoing)
}

/// A body of one piece that may end before its announced length.
struct Outgoing {
    bytes: Option<Bytes>,
    announced: u64,
    is_short: bool,
    flushed: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.is_short {
            return Poll::Ready(None);
        }
        // hyper throws away what it has not written yet when a body fails, and writes when a body has to be
        // waited for.
        if !self.flushed {
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Cut::OnPurpose)))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.is_short
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
