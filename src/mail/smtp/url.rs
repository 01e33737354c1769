//! Reading `SMTP_URL`.

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Why a relay's URL was refused. Never contains the URL, which holds a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SmtpUrlError {
    /// Not a URL, or without host.
    #[error("SMTP_URL is not a URL with a host")]
    Malformed,
    /// A scheme other than `smtp` and `smtps`.
    #[error("SMTP_URL must begin with smtp:// or smtps://")]
    Scheme,
    /// A `tls` other than `required` and `opportunistic`, or any `tls` with `smtps`.
    #[error("SMTP_URL: tls is 'required' or 'opportunistic', and only with smtp://")]
    Tls,
    /// The TLS library refused the host name or has no trusted certificates.
    #[error("SMTP_URL: TLS cannot be prepared for this host")]
    TlsSetup,
    /// User and password must both be present and valid UTF-8 when percent-decoded.
    #[error("SMTP_URL: user and password must both be given, percent-encoded")]
    Credentials,
}

/// A relay's address and how to greet it.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) hello: ClientId,
    pub(super) credentials: Option<Credentials>,
}

impl Relay {
    pub(super) fn from_url(text: &SecretString) -> Result<Self, SmtpUrlError> {
        let url = ::url::Url::parse(text.expose_secret()).map_err(|_| SmtpUrlError::Malformed)?;
        // A non-special scheme keeps the brackets of an IPv6 host, which the resolver does not understand.
        let host = url
            .host_str()
            .map(|host| host.trim_start_matches('[').trim_end_matches(']'))
            .filter(|host| !host.is_empty())
            .ok_or(SmtpUrlError::Malformed)?
            .to_owned();
        let wanted = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
        let parameters = || TlsParameters::new(host.clone()).map_err(|_| SmtpUrlError::TlsSetup);
        let (tls, usual_port) = match (url.scheme(), wanted.as_deref()) {
            ("smtps", None) => (Tls::Wrapper(parameters()?), 465),
            ("smtp", Some("required")) => (Tls::Required(parameters()?), 587),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic(parameters()?), 587),
            ("smtp", None) => (Tls::None, 25),
            ("smtp" | "smtps", Some(_)) => return Err(SmtpUrlError::Tls),
            _ => return Err(SmtpUrlError::Scheme),
        };
        Ok(Self {
            port: url.port().unwrap_or(usual_port),
            tls,
            hello: hello(url.path()),
            credentials: credentials(&url)?,
            host,
        })
    }
}

fn hello(path: &str) -> ClientId {
    match path.trim_matches('/') {
        "" => ClientId::default(),
        name => ClientId::Domain(name.to_owned()),
    }
}

fn credentials(url: &::url::Url) -> Result<Option<Credentials>, SmtpUrlError> {
    let decode = |text: &str| {
        percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| SmtpUrlError::Credentials)
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(SmtpUrlError::Credentials),
        (user, Some(password)) => Ok(Some(Credentials::new(decode(user)?, decode(password)?))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::{Relay, SmtpUrlError};
    use lettre::transport::smtp::authentication::Credentials;
    use lettre::transport::smtp::client::Tls;

    fn read(url: &str) -> Result<Relay, SmtpUrlError> {
        Relay::from_url(&url.to_owned().into())
    }

    #[test]
    fn ports_and_encryption_follow_the_scheme() {
        let relay = read("smtp://127.0.0.1:2525").unwrap();
        assert_eq!((relay.host.as_str(), relay.port), ("127.0.0.1", 2525));
        assert!(matches!(relay.tls, Tls::None));
        assert_eq!(read("smtp://mail.example").unwrap().port, 25);
        let relay = read("smtps://mail.example").unwrap();
        assert!(matches!(relay.tls, Tls::Wrapper(_)));
        assert_eq!(relay.port, 465);
        let relay = read("smtp://mail.example?tls=required").unwrap();
        assert!(matches!(relay.tls, Tls::Required(_)));
        assert_eq!(relay.port, 587);
        let relay = read("smtp://[::1]:25?tls=opportunistic").unwrap();
        assert!(matches!(relay.tls, Tls::Opportunistic(_)));
        assert_eq!(relay.host, "::1");
    }

    #[test]
    fn credentials_are_decoded() {
        let relay = read("smtps://a%40b:p%2F%C3%B1@mail.example").unwrap();
        let expected = Credentials::new("a@b".to_owned(), "p/ñ".to_owned());
        assert_eq!(relay.credentials, Some(expected));
        assert_eq!(read("smtp://user@mail.example").err(), Some(SmtpUrlError::Credentials));
    }

    #[test]
    fn anything_else_is_refused_without_showing_the_url() {
        assert_eq!(read("mail.example:25").err(), Some(SmtpUrlError::Malformed));
        assert_eq!(read("http://mail.example").err(), Some(SmtpUrlError::Scheme));
        assert_eq!(read("smtp://mail.example?tls=maybe").err(), Some(SmtpUrlError::Tls));
        assert_eq!(read("smtps://mail.example?tls=required").err(), Some(SmtpUrlError::Tls));
        let error = read("smtp://u:hunter2@mail.example?tls=x").err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
    }
}
