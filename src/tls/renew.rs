//! A certificate is renewed by writing its files anew: nobody restarts a server for that.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::Tls;
use super::pair::Pair;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What tells one version of the files from another: when each was written, and how long it is.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Pair {
    async fn stamp(&self) -> Stamp {
        [stamp(&self.certificate).await, stamp(&self.key).await]
    }
}

/// Nothing where there is no such file at the moment.
async fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Tls {
    /// Reads the files again whenever they change, and at each hang-up signal (Unix), until `stop`.
    ///
    /// What cannot be shown is said in the log once, and what was shown before is shown on: a
    /// certificate that was written before its key is made good by the key.
    ///
    /// # Errors
    /// When the system lets nobody listen to the signal.
    pub async fn keep_fresh(self, stop: CancellationToken) -> io::Result<()> {
        let mut hangup = Hangup::listen()?;
        let mut seen = self.pair.stamp().await;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = hangup.next() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let now = self.pair.stamp().await;
            if asked || now != seen {
                seen = now;
                let tls = self.clone();
                // Reading files blocks.
                drop(tokio::task::spawn_blocking(move || tls.try_reload()).await);
            }
        }
    }

    fn try_reload(&self) {
        match self.reload() {
            Ok(()) => tracing::info!(
                certificate = %self.pair.certificate.display(),
                "the certificate was read again; new connections are shown it"
            ),
            Err(error) => {
                tracing::warn!(%error, "the certificate cannot be read again; the old one is shown on");
            }
        }
    }
}

/// The signal by which services are told to read their files again.
#[cfg(unix)]
struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::pair::tests::{files, made};
    use super::*;

    /// The certificate that a new connection would be shown.
    fn shown(tls: &Tls) -> Vec<u8> {
        tls.shown.key.read().unwrap().cert[0].to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_that_is_written_anew_is_shown_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        let pair = files(&folder, &certificate, &key);
        let tls = Tls::open(&pair.certificate, &pair.key).unwrap();
        let first = shown(&tls);
        let stop = CancellationToken::new();
        let task = tokio::spawn(tls.clone().keep_fresh(stop.clone()));
        tokio::task::yield_now().await;

        let (certificate, key) = made();
        fs::write(&pair.certificate, &certificate).unwrap();
        tokio::time::sleep(2 * LOOK).await;
        assert_eq!(shown(&tls), first, "a certificate without its key is not shown");

        fs::write(&pair.key, key + "\n").unwrap();
        tokio::time::sleep(2 * LOOK).await;
        let second = shown(&tls);
        assert_ne!(second, first);

        fs::remove_file(&pair.key).unwrap();
        tokio::time::sleep(2 * LOOK).await;
        assert_eq!(shown(&tls), second);
        stop.cancel();
        task.await.unwrap().unwrap();
    }
}
