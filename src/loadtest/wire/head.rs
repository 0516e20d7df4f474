//! The head of a response.

/// What a response says before its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::loadtest) struct Head {
    pub(in crate::loadtest) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head up to its blank line; nothing when it is none.
    pub(in crate::loadtest) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let rest = lines.next()?.strip_prefix("HTTP/1.")?;
        let status = rest.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self { status, headers: headers.collect::<Option<_>>()? })
    }

    /// The first header of this name, which is given in lower case.
    pub(in crate::loadtest) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_a_status_and_headers_of_any_case() {
        let head = Head::read(b"HTTP/1.1 200 OK\r\nContent-Type: a\r\nx:\r\n\r\n").unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("a"));
        assert_eq!(head.header("x"), Some(""));
        assert_eq!(head.header("y"), None);
    }

    #[test]
    fn what_is_no_head_is_none() {
        for text in [
            "",
            "HTTP/2 200",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 x\r\n\r\n",
            "HTTP/1.1 200\r\nx\r\n\r\n",
        ] {
            assert_eq!(Head::read(text.as_bytes()), None, "{text:?}");
        }
    }
}
