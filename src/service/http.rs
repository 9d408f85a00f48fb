//! The service over HTTPS. The key travels in every URL, so no URL leaves this file.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::Url;

use crate::model::Secret;
use crate::model::address::is_loopback;
use crate::model::words::escaped;
use crate::service::api::{Answer, Request, Transport, TransportError};
use crate::service::unreachable::{NoAddress, words};

/// Answers larger than this are refused, in bytes. A room is about 2 KiB.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The same for the list, which is one answer for all rooms of the account: some 30,000 of them.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// Why there can be no connection to the service at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The base URL is not usable.
    #[error("`{0}` cannot be the service's address: {1}")]
    BaseUrl(String, &'static str),
    /// The HTTP client could not be made.
    #[error(
        "no TLS client could be made: {0}; a machine without CA certificates needs the package ca-certificates"
    )]
    Client(String),
}

/// The service at one base URL, with one key.
pub struct Http {
    client: Client,
    base: Url,
    /// `acme.metered.live`, and the port if it is not the usual one.
    host: String,
    /// The variable that names the proxy that is used, if one is.
    proxy: Option<&'static str>,
    key: Secret,
}

/// Looks names up as the machine does, with an error that can be told apart.
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<SocketAddr> = found.map_err(NoAddress)?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A client that sends each request once, and to nobody but whom it is for. `plain`: without TLS.
///
/// # Errors
/// When TLS is not available.
pub(crate) fn client(plain: bool, timeout: Duration) -> Result<Client, HttpError> {
    // Fails when it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .referer(false)
        .https_only(!plain)
        // Tries are counted and paced by us.
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(10).min(timeout))
        .timeout(timeout)
        .dns_resolver(Names)
        .user_agent(concat!("roomctl/", env!("CARGO_PKG_VERSION")));
    if plain {
        // A proxy would see the key in a plain URL. And without TLS the machine's certificates need
        // not be read, or even exist.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| HttpError::Client(describe(error)))
}

impl Http {
    /// Prepares to talk to `base`, such as `https://acme.metered.live`. `timeout` bounds each request.
    ///
    /// # Errors
    /// When the base URL is not https (http only on loopback), or TLS is not available.
    pub(crate) fn new(base: &str, key: Secret, timeout: Duration) -> Result<Self, HttpError> {
        let base = check_base(base)?;
        let local = base.scheme() == "http";
        let client = client(local, timeout)?;
        let host = base.host_str().unwrap_or_default();
        let port = base.port().map(|port| format!(":{port}"));
        Ok(Self {
            host: format!("{host}{}", port.unwrap_or_default()),
            proxy: PROXIES.into_iter().find(|name| !local && is_set(name)),
            client,
            base,
            key,
        })
    }

    fn trouble(&self, error: reqwest::Error) -> TransportError {
        if error.is_connect()
            && let Some(why) = words(&error, &self.host, self.proxy)
        {
            return TransportError::Unreachable(why);
        }
        let unsent = error.is_connect() || error.is_builder();
        let text = format!("{}: {}", self.host, describe(error));
        match unsent {
            true => TransportError::NotSent(text),
            false => TransportError::Unanswered(text),
        }
    }

    async fn read_answer(
        &self,
        mut response: Response,
        limit: usize,
    ) -> Result<Answer, TransportError> {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), SystemTime::now());
        let content_type = content_type(response.headers());
        let mut body = Vec::new();
        let trouble = |error| self.trouble(error);
        while let Some(chunk) = response.chunk().await.map_err(trouble)? {
            if body.len() + chunk.len() > limit {
                return Err(TransportError::TooLarge(status));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            retry_after,
            content_type,
            body,
        })
    }

    fn url(&self, request: &Request<'_>) -> Url {
        let mut url = self.base.clone();
        let path = match request {
            // Not left to the type, which drops line ends and tabs: that would be another room.
            Request::Get(room) | Request::Put(room, _) | Request::Delete(room) => {
                let keeps = |_, byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                format!("room/{}", escaped(room.as_str(), '%', keeps))
            }
            Request::Post(..) => "room".to_owned(),
            // Plural, and seen in public clients only.
            Request::List => "rooms".to_owned(),
        };
        url.set_path(&format!("/api/v1/{path}"));
        url.query_pairs_mut()
            .append_pair("secretKey", self.key.expose());
        url
    }
}

impl Transport for Http {
    async fn send(&self, request: &Request<'_>) -> Result<Answer, TransportError> {
        let url = self.url(request);
        let builder = match request {
            Request::Get(_) | Request::List => self.client.get(url),
            Request::Delete(_) => self.client.delete(url),
            Request::Put(..) => self.client.put(url),
            Request::Post(..) => self.client.post(url),
        };
        let builder = builder.header(ACCEPT, "application/json");
        let builder = match request.body() {
            Some(body) => builder
                .header(CONTENT_TYPE, "application/json")
                .body(body.expose().to_owned()),
            None => builder,
        };
        let response = builder.send().await.map_err(|error| self.trouble(error))?;
        let limit = match request {
            Request::List => MAX_LIST_BYTES,
            _ => MAX_ANSWER_BYTES,
        };
        self.read_answer(response, limit).await
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn key(&self) -> &Secret {
        &self.key
    }
}

/// The variables that name a proxy, as the HTTP client reads them.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Whether the environment says something by that name.
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The innermost cause, which says most, without the URL.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let value = value.and_then(|value| value.split(';').next());
    value.unwrap_or_default().trim().to_ascii_lowercase()
}

/// The wait that an answer asks for, given in seconds or as a date. A date that has passed: no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds is still a wish for a very long wait.
        return Some(Duration::from_secs(text.parse().unwrap_or(u32::MAX.into())));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The address that `base` means, in one form.
///
/// # Errors
/// When it cannot be the service's.
pub(crate) fn address(base: &str) -> Result<String, HttpError> {
    Ok(check_base(base)?.as_str().trim_end_matches('/').to_owned())
}

/// The same of whatever is the same place, to compare: this machine has many names, and any name may end in a dot.
pub(crate) fn account(base: &str) -> Result<String, HttpError> {
    let mut url = check_base(base)?;
    // The host was one before.
    let _ = url.set_host(Some(&host_of(&url)));
    Ok(url.into())
}

/// The host of it alone.
pub(crate) fn host(base: &str) -> Result<String, HttpError> {
    Ok(host_of(&check_base(base)?))
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match url.host().is_some_and(|host| is_loopback(&host)) {
        true => "localhost".to_owned(),
        false => host.to_owned(),
    }
}

fn check_base(text: &str) -> Result<Url, HttpError> {
    // An address that cannot be parsed, or says more than scheme and host, may hold a key or a password.
    let hidden = |why| HttpError::BaseUrl("--base-url".to_owned(), why);
    let url = Url::parse(text).map_err(|_| hidden("it is not a URL"))?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && matches!(url.path(), "" | "/");
    if !bare {
        return Err(hidden("it must be scheme and host only"));
    }
    let wrong = |why| HttpError::BaseUrl(text.to_owned(), why);
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if is_loopback(&host) => Ok(url),
        ("http", Some(_)) => Err(wrong(
            "the key would travel unprotected; plain http is accepted on loopback only",
        )),
        _ => Err(wrong("it must begin with https://")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{NameRule, RoomName, Settings};

    #[test]
    fn only_https_or_loopback() {
        for good in [
            "https://acme.metered.live",
            "http://127.0.0.1:8080",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(check_base(good).is_ok(), "{good}");
        }
        for bad in [
            "http://acme.metered.live",
            "http://127.0.0.1.evil.example",
            "ftp://x",
            "acme",
            "https://user@x",
            "https://:password@x",
            "https://x/path",
            "https://x/#part",
        ] {
            assert!(check_base(bad).is_err(), "{bad}");
        }
        for secret in [
            "https://x/?secretKey=canary",
            "https://:canary@x",
            "https://canary@x",
            "https://:canary@x y",
            "https://x/canary",
            "canary",
        ] {
            let error = check_base(secret).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{secret}");
        }
    }

    #[test]
    fn a_name_is_one_segment_and_the_key_is_encoded() {
        let http = Http::new(
            "http://127.0.0.1:9",
            Secret::new("a b&c"),
            Duration::from_secs(1),
        )
        .unwrap();
        let room = RoomName::parse("a.b~c", NameRule::UrlSafe).unwrap();
        let settings = Settings::new();
        let get = http.url(&Request::Get(&room));
        assert_eq!(get.path(), "/api/v1/room/a.b~c");
        assert_eq!(get.query(), Some("secretKey=a+b%26c"));
        let post = http.url(&Request::Post(&room, &settings));
        assert_eq!(post.path(), "/api/v1/room");
    }

    proptest! {
        /// Whatever the name, the path has one segment for it, which says that name and no other.
        #[test]
        fn a_name_is_read_from_its_url_as_it_is(name in ".{1,20}|[./%\\\\\t\r\n?#+ é2eE]{1,9}") {
            let Ok(room) = RoomName::try_from(name) else { return Ok(()) };
            let http = Http::new("http://127.0.0.1:9", Secret::new("k"), Duration::from_secs(1)).unwrap();
            let url = http.url(&Request::Get(&room));
            prop_assert_eq!(url.query(), Some("secretKey=k"));
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            prop_assert_eq!(&segments[..3], ["api", "v1", "room"]);
            let (mut bytes, mut rest) = (Vec::new(), segments[3]);
            while let Some((before, escape)) = rest.split_once('%') {
                bytes.extend(before.bytes());
                bytes.push(u8::from_str_radix(&escape[..2], 16).unwrap());
                rest = &escape[2..];
            }
            bytes.extend(rest.bytes());
            prop_assert_eq!((segments.len(), &*bytes), (4, room.as_str().as_bytes()));
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(30));
        assert_eq!(read(&date), Some(Duration::from_secs(30)));
        let past = httpdate::fmt_http_date(now - Duration::from_secs(30));
        assert_eq!(read(&past), Some(Duration::ZERO));
        assert!(read("99999999999999999999999").unwrap() > Duration::from_secs(1_000_000));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-5"), None);
    }

    #[tokio::test]
    async fn an_unreachable_service_is_reported_without_the_key() {
        // A port that was just free: nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let http = Http::new(
            &format!("http://{free}"),
            Secret::new("canary-key"),
            Duration::from_secs(5),
        )
        .unwrap();
        let room = RoomName::parse("a", NameRule::Lowercase).unwrap();
        let error = http.send(&Request::Get(&room)).await.unwrap_err();
        let expected = format!("cannot reach {free}: nobody listens there");
        assert!(error.to_string().starts_with(&expected), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
