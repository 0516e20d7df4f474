//! A provider that nobody set up: it is asked nothing, and says what is missing.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::Error;
use super::media::{Callback, InputFile, Operation, Request, Service, State, Unverified, Verified};

/// Stands in for a provider without a key and without an address: what its jobs hold goes to
/// nobody.
#[derive(Debug)]
pub(super) struct Unset {
    /// The variable that a key is read from.
    pub(super) key_variable: &'static str,
}

impl Unset {
    fn refuse<'a, T: Send + 'a>(&self) -> BoxFuture<'a, Result<T, Error>> {
        let message = format!("no key is set ({})", self.key_variable);
        ready(Err(Error::Unauthorised { message })).boxed()
    }
}

impl Service for Unset {
    fn calls_back(&self) -> bool {
        false
    }

    fn start<'a>(&'a self, _: Request<'a>) -> BoxFuture<'a, Result<Operation, Error>> {
        self.refuse()
    }

    fn poll<'a>(&'a self, _: &'a Operation) -> BoxFuture<'a, Result<State, Error>> {
        self.refuse()
    }

    fn cancel<'a>(&'a self, _: &'a Operation) -> BoxFuture<'a, Result<(), Error>> {
        self.refuse()
    }

    fn hand_on(&self, _: InputFile) -> BoxFuture<'_, Result<String, Error>> {
        self.refuse()
    }

    fn verify<'a>(&'a self, _: Callback<'a>) -> BoxFuture<'a, Result<Verified, Unverified>> {
        ready(Err(Unverified::Forged("the provider is not set up"))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_names_the_variable_that_is_missing() {
        let unset = Unset { key_variable: "FAL_KEY" };
        let error = unset.poll(&Operation::default()).await.unwrap_err();
        assert_eq!(error.code(), "unauthorised");
        assert!(error.to_string().contains("FAL_KEY"), "{error}");
    }
}
