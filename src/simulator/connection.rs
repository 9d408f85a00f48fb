//! One connection after the other: a thin edge that reads a request, asks the world, and delivers the answer as
//! the world said, which may be not at all.
//!
//! hyper is used directly, since a service that fails makes it close the connection without writing a byte.

use std::pin::{Pin, pin};
use std::sync::Arc;
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
use tokio::task::JoinSet;

use super::desk::{Shared, lock};
use super::exchange::BODY_LIMIT;
use super::request::{Method, Request};
use super::response::{Delivery, Response};

/// How long to wait when no connection can be accepted, as with too many open files.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// Accepts connections until it is stopped, then waits for those that are open.
pub(super) async fn accept(
    listener: TcpListener,
    desk: Shared,
    mut stopped: watch::Receiver<bool>,
) {
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
