//! A stream as its bytes, for what a parser would hide.

use reqwest::Response;

use crate::harness::{PATIENCE, TestServer};

/// An open stream that is read block by block.
pub struct Raw {
    pub response: Response,
    held: Vec<u8>,
}

impl Raw {
    /// Opens the stream at a path, with these headers.
    pub async fn open(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = server.http.get(server.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        Self { response, held: Vec::new() }
    }

    /// The next block without the empty line that ends it; nothing at the end of the response.
    pub async fn block(&mut self) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the stream goes on")
    }

    async fn read(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.held.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.held.drain(..at + 2).take(at).collect();
                return Some(String::from_utf8(block).expect("UTF-8"));
            }
            match self.response.chunk().await.expect("no broken connection") {
                Some(bytes) => self.held.extend_from_slice(&bytes),
                None => {
                    assert!(self.held.is_empty(), "the stream ends within an event");
                    return None;
                }
            }
        }
    }

    /// Reads up to the block of an event with this name, which is given.
    pub async fn until(&mut self, event: &str) -> String {
        while let Some(block) = self.block().await {
            if field(&block, "event") == Some(event) {
                return block;
            }
        }
        panic!("the stream ended without '{event}'");
    }
}

/// The value of a field of a block.
pub fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block.split('\n').find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
