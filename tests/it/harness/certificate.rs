//! Certificates for tests, and clients that believe them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::ClientBuilder;

use super::client;

/// A certificate for `localhost` that signed itself, with its key, in two files.
pub struct Certificate {
    pub pem: String,
    pub der: Vec<u8>,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one, and writes it over the one that was in this folder before.
    pub fn write(folder: &Path) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, cert.pem()).expect("a file");
        std::fs::write(&key, signing_key.serialize_pem()).expect("a file");
        Self { pem: cert.pem(), der: cert.der().to_vec(), certificate, key }
    }

    /// A client that believes this certificate and no other, and finds `localhost` at this address.
    pub fn client(&self, address: SocketAddr) -> ClientBuilder {
        drop(client());
        let certificate = reqwest::Certificate::from_pem(self.pem.as_bytes()).expect("PEM");
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([certificate])
            .tls_info(true)
            .resolve("localhost", address)
    }
}
