//! The versions that an object store keeps of a state. `object_store` reads one that is named, and lists none: so this asks each
//! cloud in its own words, with the credentials that `object_store` has.

use std::cmp::Reverse;
use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use object_store::aws::AmazonS3;
use object_store::azure::{AzureAuthorizer, MicrosoftAzure};
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::store::cloud_http::client;
use crate::store::port::Version;

/// Largest part of a list that is read, in bytes. It has a thousand versions, or of Azure five thousand.
const MAX_PART: usize = 16 * 1024 * 1024;

/// How many parts are asked for.
const MOST_PARTS: usize = 50;

/// How often each is asked for, and how long to wait before it is again.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

type Failed = Box<dyn Error + Send + Sync>;
type Query = Vec<(&'static str, String)>;

/// Who is asked.
pub(super) enum Keeper {
    S3(AmazonS3),
    /// With its account, and the address of the container.
    Azure(MicrosoftAzure, String, Url),
    /// With the address of what is in the bucket.
    Google(GoogleCloudStorage, Url),
}

pub(super) struct Lister {
    pub(super) keeper: Keeper,
    /// Whether that is asked without TLS.
    pub(super) plain: bool,
}

/// A part of the list, and where the next one begins.
struct Part {
    versions: Vec<Version>,
    next: Option<Query>,
}

impl Lister {
    /// All versions of the object that are kept, newest first. None: the store keeps none.
    pub(super) async fn list(&self, key: &str) -> Result<Vec<Version>, Failed> {
        let client = client(self.plain)?;
        let (mut all, mut from) = (Vec::new(), Query::new());
        for _ in 0..MOST_PARTS {
            let answer = self.ask(&client, key, &from).await?;
            let part = self.keeper.read(key, &answer);
            let part = part.ok_or("its answer is none that is documented")?;
            all.extend(part.versions);
            match part.next {
                Some(next) => from = next,
                None => return Ok(self.keeper.sorted(all)),
            }
        }
        Err("it has more versions than are listed here".into())
    }

    async fn ask(&self, client: &Client, key: &str, from: &Query) -> Result<Vec<u8>, Failed> {
        let mut tries = 1;
        loop {
            let request = self.keeper.request(client, key, from).await?;
            let failed: Failed = match request.send().await {
                Ok(answer) if answer.status().is_success() => return body(answer).await,
                Ok(answer) => {
                    let status = answer.status();
                    let said = body(answer).await.unwrap_or_default();
                    let said = String::from_utf8_lossy(&said);
                    let failed = format!("status code: {status}: {said}").into();
                    if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
                        return Err(failed);
                    }
                    failed
                }
                Err(error) => error.without_url().into(),
            };
            if tries == TRIES {
                return Err(failed);
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn body(mut answer: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MAX_PART {
            return Err("its answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl Keeper {
    /// Asks for what begins with `key`, which is first among that.
    async fn request(
        &self,
        client: &Client,
        key: &str,
        from: &Query,
    ) -> Result<RequestBuilder, Failed> {
        let from = from.iter().map(|(name, value)| (*name, value.as_str()));
        Ok(match self {
            Self::S3(store) => {
                let query = [("versions", ""), ("prefix", key)].into_iter().chain(from);
                let options = SignedUrlOptions::new().with_query(query);
                let bucket = Path::default();
                let minute = Duration::from_secs(60);
                let url = store.signed_url_opts(Method::GET, &bucket, minute, &options);
                client.get(url.await?)
            }
            Self::Azure(store, account, container) => {
                let mut url = container.clone();
                let query = [
                    ("restype", "container"),
                    ("comp", "list"),
                    ("include", "versions"),
                    ("prefix", key),
                ];
                url.query_pairs_mut().extend_pairs(query).extend_pairs(from);
                let mut request = HttpRequest::new(HttpRequestBody::empty());
                *request.uri_mut() = url.as_str().parse()?;
                let credential = store.credentials().get_credential().await?;
                AzureAuthorizer::new(&credential, account).try_authorize(&mut request)?;
                let url = request.uri().to_string();
                client.get(url).headers(request.headers().clone())
            }
            Self::Google(store, objects) => {
                let mut url = objects.clone();
                let fields = "items(name,generation,timeCreated),nextPageToken";
                let query = [("versions", "true"), ("prefix", key), ("fields", fields)];
                url.query_pairs_mut().extend_pairs(query).extend_pairs(from);
                let credential = store.credentials().get_credential().await?;
                client.get(url).bearer_auth(&credential.bearer)
            }
        })
    }

    /// What of an answer is about `key`. `None`: it is none.
    fn read(&self, key: &str, answer: &[u8]) -> Option<Part> {
        let text = str::from_utf8(answer).ok()?;
        let (versions, next): (Vec<_>, Option<Query>) = match self {
            Self::S3(_) => {
                let page: S3Page = quick_xml::de::from_str(text).ok()?;
                let next = page.next_key_marker.zip(page.next_version_id_marker);
                let next = next.filter(|(next, _)| page.is_truncated && next == key);
                let next =
                    next.map(|(key, id)| vec![("key-marker", key), ("version-id-marker", id)]);
                let versions = page.version.into_iter();
                (
                    versions
                        .map(|it| (it.key, it.version_id, moment(&it.last_modified)))
                        .collect(),
                    next,
                )
            }
            Self::Azure(..) => {
                let page: AzurePage = quick_xml::de::from_str(text).ok()?;
                let next = page.next_marker.filter(|marker| !marker.is_empty());
                let versions = page.blobs.blob.into_iter();
                let versions = versions.filter_map(|it| {
                    let saved = httpdate::parse_http_date(&it.properties.last_modified).ok();
                    let saved = saved.and_then(|saved| Timestamp::try_from(saved).ok());
                    // Without versions, what is there now is listed without an id.
                    Some((it.name, it.version_id?, saved))
                });
                (
                    versions.collect(),
                    next.map(|marker| vec![("marker", marker)]),
                )
            }
            Self::Google(..) => {
                let page: GooglePage = serde_json::from_str(text).ok()?;
                let versions = page.items.into_iter();
                let versions =
                    versions.map(|it| (it.name, it.generation, moment(&it.time_created)));
                let next = page.next_page_token;
                (
                    versions.collect(),
                    next.map(|token| vec![("pageToken", token)]),
                )
            }
        };
        let next = next.filter(|_| versions.last().is_none_or(|(name, ..)| name == key));
        let ours = versions.into_iter().filter(|(name, ..)| name == key);
        let ours = ours.map(|(_, id, saved)| Some(Version { id, saved: saved? }));
        Some(Part {
            versions: ours.collect::<Option<_>>()?,
            next,
        })
    }

    /// Newest first, as S3 lists them; what the ids of the others begin with is a time.
    fn sorted(&self, mut versions: Vec<Version>) -> Vec<Version> {
        match self {
            // What the one is called that there is as long as none are kept.
            Self::S3(_) if versions.iter().all(|version| version.id == "null") => versions.clear(),
            Self::S3(_) => {}
            _ => versions.sort_by_key(|version| Reverse((version.id.len(), version.id.clone()))),
        }
        versions
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Page {
    #[serde(default)]
    version: Vec<S3Version>,
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct S3Version {
    key: String,
    version_id: String,
    last_modified: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AzurePage {
    blobs: AzureBlobs,
    next_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AzureBlobs {
    #[serde(default)]
    blob: Vec<AzureBlob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AzureBlob {
    name: String,
    version_id: Option<String>,
    properties: AzureProperties,
}

#[derive(Deserialize)]
struct AzureProperties {
    #[serde(rename = "Last-Modified")]
    last_modified: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GooglePage {
    #[serde(default)]
    items: Vec<GoogleObject>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoogleObject {
    name: String,
    generation: String,
    time_created: String,
}

/// How many versions of `key` an answer lists, as each of the clouds reads it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn versions_in(key: &str, answer: &[u8]) -> [usize; 3] {
    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::gcp::GoogleCloudStorageBuilder;
    use std::sync::LazyLock;

    // Nobody is asked: an answer is read by what its keeper is.
    static KEEPERS: LazyLock<[Keeper; 3]> = LazyLock::new(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse("http://localhost/").expect("an address");
        let s3 = AmazonS3Builder::new().with_bucket_name("b").build();
        let azure = MicrosoftAzureBuilder::new().with_container_name("b");
        let azure = azure.with_account("a").build();
        let google = GoogleCloudStorageBuilder::new().with_bucket_name("b");
        [
            Keeper::S3(s3.expect("a store")),
            Keeper::Azure(azure.expect("a store"), "a".to_owned(), url.clone()),
            Keeper::Google(google.build().expect("a store"), url),
        ]
    });
    KEEPERS.each_ref().map(|keeper| {
        let part = keeper.read(key, answer);
        part.map_or(0, |part| keeper.sorted(part.versions).len())
    })
}
