//! Whom the gate believes to be a tool: TLS by rustls, with the system's roots or a tool's own.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use verdict::Endpoint;

use super::fault::{Fault, Why};

/// Configurations, each made once: by the file of certificates, or none for the system's.
#[derive(Default)]
pub(super) struct Trust(Mutex<HashMap<Option<String>, Arc<ClientConfig>>>);

impl Trust {
    /// A session with the tool's host, over a connection to it. Whatever goes wrong, nothing has been sent.
    pub(super) async fn meet(
        &self,
        endpoint: &Endpoint,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Fault> {
        let config = self.config(endpoint.ca.as_deref())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Fault::new(Why::Untrusted, "the tool's host is no name that a certificate could have")
        })?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
            // rustls wraps its own errors; only those are about trust.
            let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match ours {
                Some(rustls::Error::InvalidCertificate(why)) => Fault::new(
                    Why::Untrusted,
                    format!("the certificate of `{host}` is not trusted: {}", described(why)),
                ),
                Some(_) => {
                    Fault::new(Why::Untrusted, format!("`{host}` does not speak TLS as the gate does"))
                }
                None => Fault::new(
                    Why::Unreachable,
                    format!("`{host}` closed the connection before TLS was agreed"),
                ),
            }
        })
    }

    pub(super) fn config(&self, ca: Option<&str>) -> Result<Arc<ClientConfig>, Fault> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = ca.map(str::to_owned);
        if let Some(config) = known.get(&key) {
            return Ok(Arc::clone(config));
        }
        let roots = match ca {
            Some(path) => of_file(path)?,
            None => of_system()?,
        };
        let config = Arc::new(under(roots)?);
        known.insert(key, Arc::clone(&config));
        Ok(config)
    }
}

/// The configuration with the certificates of a file, or the system's, for what else the gate connects to. Each is made
/// once. The error is a sentence.
pub(crate) fn of(ca: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    static KNOWN: OnceLock<Trust> = OnceLock::new();
    KNOWN.get_or_init(Trust::default).config(ca).map_err(|fault| fault.message)
}

fn under(roots: RootCertStore) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Fault::new(Why::NotReady, "this program has no TLS that it could speak"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn of_file(path: &str) -> Result<RootCertStore, Fault> {
    let unread = || {
        let message = "the file of certificates that is named under `ca` cannot be read, or has none; name another, or mend it";
        Fault::new(Why::NotReady, message)
    };
    let mut roots = RootCertStore::empty();
    for found in CertificateDer::pem_file_iter(path).map_err(|_| unread())? {
        roots.add(found.map_err(|_| unread())?).map_err(|_| unread())?;
    }
    if roots.is_empty() { Err(unread()) } else { Ok(roots) }
}

fn of_system() -> Result<RootCertStore, Fault> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (_added, _odd) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let message =
            "this system has no trusted certificates; install them, or name some in the tool's `ca`";
        return Err(Fault::new(Why::NotReady, message));
    }
    Ok(roots)
}

fn described(why: &rustls::CertificateError) -> &'static str {
    use rustls::CertificateError as Odd;
    match why {
        Odd::Expired | Odd::ExpiredContext { .. } => "it has expired",
        Odd::NotValidYet | Odd::NotValidYetContext { .. } => "it is not valid yet",
        Odd::NotValidForName | Odd::NotValidForNameContext { .. } => "it is for another name",
        Odd::UnknownIssuer => "nobody who is trusted has issued it",
        Odd::Revoked => "it was revoked",
        _ => "it cannot be verified",
    }
}
