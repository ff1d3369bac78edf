//! A strict reader of HTTP/1 messages: what a careful peer would accept from the proxy, and nothing more.
//!
//! Independent of the codec in `core` on purpose: a test that parses with the code under test proves little.

/// One request or response as it came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The first line without its CRLF.
    pub(crate) start: String,
    /// Field lines in order, names as written.
    pub(crate) fields: Vec<(String, String)>,
    /// The body, decoded.
    pub(crate) body: Vec<u8>,
    /// The body as it stood on the wire, with chunk framing.
    pub(crate) raw_body: Vec<u8>,
    /// Trailer fields in order.
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether a body that only the end of the connection delimits ended that way.
    pub(crate) until_close: bool,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// No body, or exactly that many bytes.
    Bytes(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Until the connection ends.
    Close,
}

impl Message {
    /// Parses a head that ends in an empty line; panics on anything a strict peer would refuse.
    #[track_caller]
    pub(crate) fn parse_head(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let head = bytes.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
        let mut lines = split_crlf(head);
        let start = lines.remove(0);
        let fields = lines.into_iter().map(|line| parse_field(&line)).collect();
        Self { start, fields, ..Self::default() }
    }

    /// The status code of a response.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let mut parts = self.start.splitn(3, ' ');
        let version = parts.next().unwrap_or_default();
        assert!(matches!(version, "HTTP/1.1" | "HTTP/1.0"), "no status line: {:?}", self.start);
        let code = parts.next().unwrap_or_default();
        assert!(code.len() == 3 && parts.next().is_some(), "no status line: {:?}", self.start);
        code.parse().unwrap_or_else(|_| panic!("no status line: {:?}", self.start))
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    #[track_caller]
    pub(crate) fn target(&self) -> &str {
        let parts: Vec<&str> = self.start.split(' ').collect();
        assert_eq!(parts.len(), 3, "no request line: {:?}", self.start);
        parts[1]
    }

    /// The value of a field that may stand there once; panics if it stands there twice.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} stands there {} times: {:#?}", all.len(), self.fields);
        all.first().copied()
    }

    /// The values of all fields of that name, in any case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// Whether a field has that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The code in `x-switchboard-reason`, empty where there is none.
    #[track_caller]
    pub(crate) fn reason(&self) -> &str {
        self.field("x-switchboard-reason").unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// How long the body of a request is.
    #[track_caller]
    pub(crate) fn request_length(&self) -> Length {
        self.declared().unwrap_or(Length::Bytes(0))
    }

    /// How long the body of a response to `method` is (RFC 9112 §6.3).
    #[track_caller]
    pub(crate) fn response_length(&self, method: &str) -> Length {
        let status = self.status();
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Length::Bytes(0);
        }
        self.declared().unwrap_or(Length::Close)
    }

    #[track_caller]
    fn declared(&self) -> Option<Length> {
        let coding = self.field("transfer-encoding");
        let length = self.field("content-length");
        assert!(coding.is_none() || length.is_none(), "two framings: {:#?}", self.fields);
        if let Some(coding) = coding {
            assert_eq!(coding.to_ascii_lowercase(), "chunked");
            return Some(Length::Chunked);
        }
        let digits = length?;
        assert!(digits.bytes().all(|b| b.is_ascii_digit()), "content-length {digits:?}");
        Some(Length::Bytes(digits.parse().unwrap()))
    }
}

/// Splits at CRLF and refuses CR and LF that stand alone.
#[track_caller]
fn split_crlf(bytes: &[u8]) -> Vec<String> {
    let text: String = bytes.iter().map(|&b| char::from(b)).collect();
    let lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    assert!(lines.iter().all(|l| !l.contains(['\r', '\n', '\0'])), "CR, LF or NUL in a head: {text:?}");
    lines
}

/// Parses one field line; bytes above 0x7F become Latin-1 characters.
#[track_caller]
pub(crate) fn parse_field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no colon in {line:?}"));
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    assert!(!name.is_empty() && name.bytes().all(token), "no field name: {line:?}");
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}
