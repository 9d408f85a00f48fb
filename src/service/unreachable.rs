//! Why nothing reaches the service, in words, and what to do about it: for reasons that the next try would meet as well.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;

use rustls::CertificateError;

/// The name of a host that has no address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoAddress(#[source] pub io::Error);

/// What keeps everything from `host`, if `error` is that and not a passing trouble. `proxy` is the variable that names the
/// proxy in between, if there is one.
pub(crate) fn words(
    error: &(dyn Error + 'static),
    host: &str,
    proxy: Option<&str>,
) -> Option<String> {
    let (why, help) = known_cause(error)?;
    let proxy = proxy.map(|name| format!(" through the proxy that {name} names"));
    Some(format!(
        "cannot reach {host}{}: {why}; {help}",
        proxy.unwrap_or_default()
    ))
}

/// The same alone, which names no host.
#[cfg(feature = "otlp")]
pub(crate) fn why(error: &(dyn Error + 'static)) -> Option<String> {
    known_cause(error).map(|(why, _)| why)
}

fn known_cause(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    successors(Some(error), |&error| error.source()).find_map(known)
}

fn known(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    if let Some(error) = error.downcast_ref::<NoAddress>() {
        let help =
            "check the name of the app and --base-url, and whether this machine can look names up";
        return Some((
            format!("no address was found for that name ({error})"),
            help,
        ));
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    let error = error.downcast_ref::<io::Error>()?;
    if error.kind() == ErrorKind::ConnectionRefused {
        let help = "check the address and the port, and what is in between";
        return Some(("nobody listens there".to_owned(), help));
    }
    known(error.get_ref()?)
}

fn tls(error: &rustls::Error) -> (String, &'static str) {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::InvalidMessage(_) => {
            let help = "check the port; plain http is for a simulator on this machine only";
            ("it does not speak TLS".to_owned(), help)
        }
        error => {
            let help = "check the address, and what is in between";
            (
                format!("no TLS connection could be agreed on ({error})"),
                help,
            )
        }
    }
}

fn certificate(error: &CertificateError) -> (String, &'static str) {
    use CertificateError as Wrong;
    let trust = "if it is the right one, let SSL_CERT_FILE name a file with the certificate of whoever signed it";
    let clock = "check the clock of this machine, or tell whoever runs the service";
    let name = "check the name of the app and --base-url, and what is in between";
    match error {
        Wrong::Expired | Wrong::ExpiredContext { .. } => {
            ("its certificate has expired".to_owned(), clock)
        }
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            ("its certificate is not valid yet".to_owned(), clock)
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            ("its certificate is for another name".to_owned(), name)
        }
        Wrong::UnknownIssuer => {
            let why = "its certificate is signed by nobody whom this machine trusts";
            (why.to_owned(), trust)
        }
        // What that is, only the library's own words say; a certificate that signed itself is the usual case.
        Wrong::Other(_) => {
            let why = "its certificate is not accepted: it may have signed itself";
            (why.to_owned(), trust)
        }
        other => (format!("its certificate is not accepted ({other})"), trust),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: rustls::Error) -> String {
        // As it comes: in an error of the stream, in one of the client.
        let error = io::Error::other(io::Error::new(ErrorKind::InvalidData, error));
        words(&error, "a.example", None).unwrap()
    }

    #[test]
    fn reasons_that_stay_are_said_in_words() {
        let certificate = |error| said(rustls::Error::InvalidCertificate(error));
        for (text, expected) in [
            (
                certificate(CertificateError::Expired),
                "has expired; check the clock",
            ),
            (
                {
                    let nothing = io::Error::from(ErrorKind::NotFound);
                    let error = NoAddress(nothing);
                    words(&error, "a.example", None).unwrap()
                },
                "no address was found for that name",
            ),
            (
                certificate(CertificateError::UnknownIssuer),
                "nobody whom this machine trusts; if it",
            ),
            (
                certificate(CertificateError::NotValidForName),
                "for another name; check the name",
            ),
            (
                said(rustls::Error::InvalidMessage(
                    rustls::InvalidMessage::InvalidContentType,
                )),
                "does not speak TLS; check",
            ),
        ] {
            assert!(
                text.starts_with("cannot reach a.example: ") && text.contains(expected),
                "{text}"
            );
        }
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let text = words(&refused, "a.example:9", Some("HTTPS_PROXY")).unwrap();
        assert_eq!(
            text,
            "cannot reach a.example:9 through the proxy that HTTPS_PROXY names: nobody listens there; check the address \
             and the port, and what is in between"
        );
    }

    #[test]
    fn what_may_pass_is_none() {
        for kind in [
            ErrorKind::ConnectionReset,
            ErrorKind::TimedOut,
            ErrorKind::UnexpectedEof,
        ] {
            assert_eq!(words(&io::Error::from(kind), "a.example", None), None);
        }
    }
}
