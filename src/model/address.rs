//! Where the service is, and objects of an object store.

use std::fmt;

use url::Host;

/// Whether what is sent there stays on this machine.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// An object in an object store: `s3://bucket/key`, `az://container/key`, `gs://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectAddress {
    pub cloud: Cloud,
    pub bucket: String,
    pub key: String,
}

/// Whose object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    S3,
    Azure,
    Google,
}

const CLOUDS: [(&str, Cloud); 3] = [
    ("s3", Cloud::S3),
    ("az", Cloud::Azure),
    ("gs", Cloud::Google),
];

impl ObjectAddress {
    /// Only names: no account, no port and no query, where a token could be.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (_, cloud) = CLOUDS.into_iter().find(|(name, _)| *name == scheme)?;
        let (bucket, key) = rest.split_once('/')?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name = |part: &str| !["", ".", ".."].contains(&part) && part.chars().all(is_plain);
        let fits = is_name(bucket) && key.split('/').all(is_name);
        fits.then(|| Self {
            cloud,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl ObjectAddress {
    /// The command of its cloud after which versions of it are kept.
    pub(crate) fn keep_versions(&self) -> String {
        let bucket = &self.bucket;
        match self.cloud {
            Cloud::S3 => format!(
                "aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
            ),
            Cloud::Azure => "az storage account blob-service-properties update --account-name ACCOUNT --enable-versioning true".to_owned(),
            Cloud::Google => format!("gcloud storage buckets update gs://{bucket} --versioning"),
        }
    }
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = CLOUDS.iter().find(|(_, cloud)| *cloud == self.cloud);
        let scheme = scheme.map_or("", |(scheme, _)| scheme);
        write!(f, "{scheme}://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_cloud_a_bucket_and_a_key_of_plain_names() {
        for (text, cloud, keeps) in [
            (
                "s3://rooms/state.json",
                Cloud::S3,
                "aws s3api put-bucket-versioning --bucket rooms ",
            ),
            ("az://rooms/a/b", Cloud::Azure, "az storage account "),
            (
                "gs://r-1_2.x/state",
                Cloud::Google,
                "gcloud storage buckets update gs://r-1_2.x ",
            ),
        ] {
            let address = ObjectAddress::parse(text).unwrap();
            assert_eq!(
                (address.cloud, address.to_string()),
                (cloud, text.to_owned())
            );
            assert!(address.keep_versions().starts_with(keeps), "{text}");
        }
        for text in [
            "s3:/rooms/a",
            "s3://rooms",
            "s3:///a",
            "s3://rooms/",
            "s3://rooms/a//b",
            "s3://../a",
            "s3://rooms/../a",
            "s3://rooms/.",
            "s3://rooms/a?token=1",
            "s3://who:word@rooms/a",
            "s3://rooms:90/a",
            "S3://rooms/a",
            "ftp://rooms/a",
        ] {
            assert_eq!(ObjectAddress::parse(text), None, "{text}");
        }
    }
}
