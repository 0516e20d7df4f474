//! The certificate that the server shows, renewed while it runs.
//!
//! rustls with ring, TLS 1.2 and 1.3, its own choice of ciphers. What protocol is spoken inside is
//! agreed in the handshake (ALPN, RFC 7301): HTTP/2, else HTTP/1.1.

mod pair;
mod renew;

pub use pair::TlsError;
pub use renew::Renewal;

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use pair::Pair;
use renew::Stamp;

/// What HTTP/2 is called in a handshake: RFC 9113, section 3.1.
const H2: &[u8] = b"h2";

/// What HTTP/1.1 is called in a handshake.
const HTTP_11: &[u8] = b"http/1.1";

/// The server's end of TLS; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    pair: Pair,
    /// Which version of the files was read first.
    read_at: Stamp,
    shown: Arc<Shown>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("pair", &self.pair).finish_non_exhaustive()
    }
}

/// The certificate that new connections are shown. Those that stand keep what they agreed on.
#[derive(Debug)]
struct Shown {
    key: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads a certificate, with those that lead to a root, and its key, each a PEM file.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let pair = Pair { certificate: certificate.into(), key: key.into() };
        // Before they are read: what is written meanwhile is read again.
        let read_at = pair.stamp();
        let shown = Arc::new(Shown { key: RwLock::new(Arc::new(pair.load()?)) });
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for the usual versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![H2.into(), HTTP_11.into()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), pair, read_at, shown })
    }

    /// Agrees on TLS with a client. Waits for as long as the client takes.
    ///
    /// # Errors
    /// When the client speaks no TLS, or none that we do.
    ///
    /// # Cancel safety
    /// The connection is lost.
    pub async fn handshake<T>(&self, io: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(io).await
    }

    /// Reads the files again, and shows what they hold from now on.
    ///
    /// # Errors
    /// What is wrong with them; the old certificate is then shown on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(self.pair.load()?);
        *self.shown.key.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// Whether a connection's two ends agreed on HTTP/2.
#[must_use]
pub fn speaks_h2<T>(stream: &TlsStream<T>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

/// Whether a handshake failed since what came is no TLS: a browser that was given an `http` address,
/// mostly.
#[must_use]
pub fn is_no_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
}
