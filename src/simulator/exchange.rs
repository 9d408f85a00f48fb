//! One request and its answer: past the rate limit, through the faults, to the endpoints, and into the log.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::faults::{Fate, FaultKind, RetryAfter};
use super::log::Record;
use super::request::{Body, Request};
use super::response::{Delivery, Response};
use super::routes::{self, Route};
use super::wire;
use super::world::World;

/// The largest request body that is accepted, in bytes. Invented.
pub(super) const BODY_LIMIT: usize = 1 << 20;

impl World {
    /// Answers one request.
    pub fn handle(&mut self, request: &Request) -> Response {
        let route = Route::of(request.method, &request.path);
        let body = Body::read(&request.body);
        let before = self.serial;
        self.counts.count(request.method);
        let (response, fault) = self.respond(&route, request, &body);
        let wrote = self.serial != before;
        self.counts.written += u64::from(wrote);
        self.counts.faults += u64::from(fault.is_some());
        if self.settings.log {
            self.log.push(Record {
                sequence: self.counts.total(),
                at_ms: request.at_ms,
                method: request.method,
                path: request.path.clone(),
                body: match body {
                    Body::Json(value) => Some(value),
                    Body::Empty | Body::Unreadable => None,
                },
                status: (response.delivery != Delivery::Dropped).then_some(response.status),
                wrote,
                fault,
            });
        }
        response
    }

    /// The answer, and the name of the fault that it met.
    fn respond(
        &mut self,
        route: &Route,
        request: &Request,
        body: &Body,
    ) -> (Response, Option<&'static str>) {
        let limit = self.settings.quirks.rate_limit.0;
        if limit.is_some_and(|limit| self.window.is_over(limit, request.at_ms)) {
            self.counts.over_limit += 1;
            let wait = Some(RetryAfter::Seconds(1));
            return (too_many(wait, request.at_ms), None);
        }
        let fate = self.faults.next(request.method, route.room(body));
        let carry_out = || {
            if request.body.len() > BODY_LIMIT {
                return Response::refusal(413, "request entity too large");
            }
            routes::carry_out(self, route, request, body)
        };
        let mut response = meet(fate, request, carry_out);
        response.delay_ms = fate.delay_ms.unwrap_or_default();
        (response, fate.name())
    }
}

/// What becomes of a request that goes wrong in this way, or well.
fn meet(fate: Fate, request: &Request, carry_out: impl FnOnce() -> Response) -> Response {
    let Some(kind) = fate.kind else {
        return carry_out();
    };
    match kind {
        FaultKind::TooMany => too_many(fate.retry_after, request.at_ms),
        FaultKind::ServerError => failed(),
        FaultKind::Unavailable => {
            let response = Response::text(503, "text/plain", "upstream unavailable\n");
            with_retry_after(response, fate.retry_after, request.at_ms)
        }
        FaultKind::Html => Response::text(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n",
        ),
        FaultKind::Redirect => Response::text(302, "text/plain", "moved\n")
            .with_header("location", format!("/moved{}", request.path)),
        FaultKind::ReflectKey => Response::refusal(
            400,
            &format!("Invalid request: {}?{}", request.path, request.query),
        ),
        FaultKind::DropBefore => delivered(Response::refusal(503, "dropped"), Delivery::Dropped),
        FaultKind::DropAfter => delivered(carry_out(), Delivery::Dropped),
        FaultKind::FailAfter => {
            carry_out();
            failed()
        }
        FaultKind::Truncated => {
            let mut response = carry_out();
            response.body.truncate(response.body.len() / 2);
            response
        }
        FaultKind::Short => {
            let response = carry_out();
            let half = response.body.len() / 2;
            delivered(response, Delivery::Short(half))
        }
        FaultKind::Oversized => {
            let mut response = carry_out();
            response.body.resize(response.body.len() + (1 << 20), b' ');
            response
        }
        FaultKind::WrongName => renamed(carry_out()),
        FaultKind::Slow => carry_out(),
    }
}

fn delivered(response: Response, delivery: Delivery) -> Response {
    Response {
        delivery,
        ..response
    }
}

/// Lists and errors have no room to rename, and stay as they are.
fn renamed(mut response: Response) -> Response {
    if let Some(mut value) = response.value()
        && let Some(name) = value.get_mut(wire::ROOM_NAME)
    {
        *name = json!(format!("{}-other", name.as_str().unwrap_or_default()));
        response.body = value.to_string().into_bytes();
    }
    response
}

fn failed() -> Response {
    Response::server_error("internal server error")
}

fn too_many(wait: Option<RetryAfter>, now_ms: i64) -> Response {
    with_retry_after(Response::refusal(429, "too many requests"), wait, now_ms)
}

fn with_retry_after(response: Response, wait: Option<RetryAfter>, now_ms: i64) -> Response {
    match wait {
        None => response,
        Some(RetryAfter::Seconds(seconds)) => {
            response.with_header("retry-after", seconds.to_string())
        }
        Some(RetryAfter::Date(seconds)) => {
            let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
            let date = UNIX_EPOCH + now + Duration::from_secs(seconds.into());
            response.with_header("retry-after", httpdate::fmt_http_date(date))
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
