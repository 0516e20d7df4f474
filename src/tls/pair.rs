//! A certificate and its key, from two PEM files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretSlice};

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the file {} of the setting '{setting}' cannot be read: {}", path.display(), reason(source))]
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("the file {} of the setting '{setting}' must hold {expected} as PEM: {found}", path.display())]
    Content {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong.
        found: String,
    },
    /// The key is not the certificate's.
    #[error("the key {} does not belong to the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// One file was named and not the other.
    #[error("the setting '{given}' needs '{missing}' beside it")]
    Half {
        /// What was set.
        given: &'static str,
        /// What was not.
        missing: &'static str,
    },
}

/// The setting that names the certificate.
pub(super) const CERTIFICATE: &str = "tls_cert";

/// The setting that names the key.
pub(super) const KEY: &str = "tls_key";

/// Where the two files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pair {
    /// Reads both, and holds one against the other.
    pub(super) fn load(&self) -> Result<CertifiedKey, TlsError> {
        let chain = read(CERTIFICATE, &self.certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.map_err(|error| bad_certificate(&self.certificate, words(&error)))?;
        if chain.is_empty() {
            return Err(bad_certificate(&self.certificate, "there is none in it".into()));
        }
        let key = SecretSlice::from(read(KEY, &self.key)?);
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret())
            .map_err(|error| bad_key(&self.key, words(&error)))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| self.unfit(&error))
    }

    fn unfit(&self, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            rustls::Error::InvalidCertificate(reason) => {
                bad_certificate(&self.certificate, format!("{reason:?}"))
            }
            other => bad_key(&self.key, other.to_string()),
        }
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { setting, path: path.into(), source })
}

/// The system's words without its error number.
fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::IsADirectory => "it is a folder",
        _ => return error.to_string(),
    };
    words.into()
}

fn bad_certificate(path: &Path, found: String) -> TlsError {
    let expected = "a certificate, its own first";
    TlsError::Content { setting: CERTIFICATE, path: path.into(), expected, found }
}

fn bad_key(path: &Path, found: String) -> TlsError {
    let expected = "an unencrypted private key";
    TlsError::Content { setting: KEY, path: path.into(), expected, found }
}

/// What is wrong with a PEM file, without a byte of it: it may be a key.
fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".into(),
        pem::Error::MissingSectionEnd { .. } => "a section has no end".into(),
        pem::Error::IllegalSectionStart { .. } => "a section begins wrongly".into(),
        pem::Error::Base64Decode(_) => "a section is not in base64".into(),
        _ => "it cannot be read".into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use tempfile::TempDir;

    /// A fresh certificate for `localhost`, and its key, as PEM.
    pub(in crate::tls) fn made() -> (String, String) {
        let Made { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    /// Two files with this in them.
    pub(in crate::tls) fn files(folder: &TempDir, certificate: &str, key: &str) -> Pair {
        let pair = Pair {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        fs::write(&pair.certificate, certificate).unwrap();
        fs::write(&pair.key, key).unwrap();
        pair
    }

    fn refused(certificate: &str, key: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        files(&folder, certificate, key).load().unwrap_err().to_string()
    }

    #[test]
    fn a_certificate_with_its_key_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        assert_eq!(files(&folder, &certificate, &key).load().unwrap().cert.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file_and_without_its_content() {
        let (certificate, key) = made();
        let (_, other) = made();
        for (certificate, key, file, reason) in [
            ("", key.as_str(), "cert.pem", "there is none"),
            ("nothing", &key, "cert.pem", "there is none"),
            (&key, &key, "cert.pem", "there is none"),
            (&certificate, "", "key.pem", "there is none"),
            (&certificate, &certificate, "key.pem", "there is none"),
            (&certificate, &other, "key.pem", "does not belong"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", &key, "cert.pem", "no end"),
            (
                &certificate,
                "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
                "key.pem",
                "unencrypted private key",
            ),
        ] {
            let said = refused(certificate, key);
            assert!(said.contains(file) && said.contains(reason), "{said}");
            assert!(!said.contains("c2VjcmV0") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let (certificate, key) = ("/none/cert.pem".into(), "/none/key.pem".into());
        let said = Pair { certificate, key }.load().unwrap_err().to_string();
        assert!(
            said.contains("/none/cert.pem")
                && said.contains("'tls_cert'")
                && !said.contains("os error"),
            "{said}"
        );
    }
}
