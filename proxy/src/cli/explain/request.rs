//! The request that is explained: a URL and fields from the command line, written as the head that a client would send.
//!
//! Only what could not be sent at all is refused here; whether the proxy takes the rest is the codec's to say.

use std::str::FromStr;

/// The key of RFC 6455 §1.3: any will do.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    scheme: Scheme,
    /// It was written without a scheme: whoever speaks there decides.
    bare: bool,
    /// Host and port as written.
    pub(super) authority: String,
    /// Path and query; begins with a slash.
    pub(super) target: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Ws,
    Wss,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("a URL has no white space; write a space as %20".to_owned());
        }
        // What stands behind `#` is the client's own (RFC 3986 §3.5).
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, bare, rest) = match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => (Scheme::named(scheme)?, false, rest),
            Some(_) | None => (Scheme::Http, true, text),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err("a URL names a host: http://HOST/PATH".to_owned());
        }
        if authority.contains('@') {
            return Err("leave out user:password@ and give it as -H 'Authorization: Basic …'".to_owned());
        }
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, bare, authority: authority.to_owned(), target: format!("{slash}{rest}") })
    }
}

impl Url {
    /// The port, where it names one.
    pub(super) fn port(&self) -> Option<u16> {
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = self.authority.rsplit_once(':')?;
        if host.starts_with('[') && !host.ends_with(']') { None } else { port.parse().ok() }
    }

    /// The host, as certificates have it.
    pub(super) fn host(&self) -> String {
        let port = self.port().map_or(0, |_| self.authority.len() - self.authority.rfind(':').unwrap_or_default());
        self.authority.get(..self.authority.len() - port).unwrap_or_default().to_ascii_lowercase()
    }

    /// Whether it leaves open how it is asked for.
    pub(super) const fn is_bare(&self) -> bool {
        self.bare
    }

    /// The same, where it leaves that open as it is asked for at a listener that speaks TLS or does not.
    pub(super) fn at(&self, speaks_tls: bool) -> Self {
        let scheme = if self.bare && speaks_tls { Scheme::Https } else { self.scheme };
        Self { scheme, ..self.clone() }
    }

    /// As it was written, but for what is the client's own.
    pub(super) fn text(&self) -> String {
        let scheme = if self.bare { String::new() } else { format!("{}://", self.scheme()) };
        format!("{scheme}{}{}", self.authority, self.target)
    }

    /// Whether it asks for TLS.
    pub(super) const fn is_secure(&self) -> bool {
        matches!(self.scheme, Scheme::Https | Scheme::Wss)
    }

    /// Whether it asks for a WebSocket.
    pub(super) const fn is_websocket(&self) -> bool {
        matches!(self.scheme, Scheme::Ws | Scheme::Wss)
    }

    /// The scheme as it is written.
    pub(super) const fn scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }
}

impl Scheme {
    fn named(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "ws" => Ok(Self::Ws),
            "wss" => Ok(Self::Wss),
            other => Err(format!("`{other}` is none of http, https, ws and wss")),
        }
    }
}

/// A method as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Method(String);

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a method is one word, such as GET".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Method {
    /// Its text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// A field line, as curl takes it: `name: value`, `name:` for one to leave out, `name;` for one without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    name: String,
    /// `None` leaves it out.
    value: Option<String>,
}

impl Line {
    /// As it is written.
    pub(super) fn text(&self) -> String {
        match &self.value {
            None => format!("{}:", self.name),
            Some(value) if value.is_empty() => format!("{};", self.name),
            Some(value) => format!("{}: {value}", self.name),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A line end in it would be two fields on the wire, which nobody who types one means.
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err("a field has no control characters".to_owned());
        }
        match text.split_once(':') {
            Some((name, value)) => {
                let value = value.trim();
                Ok(Self { name: name.to_owned(), value: (!value.is_empty()).then(|| value.to_owned()) })
            }
            None => match text.strip_suffix(';') {
                Some(name) => Ok(Self { name: name.to_owned(), value: Some(String::new()) }),
                None => Err("a field is written 'name: value'".to_owned()),
            },
        }
    }
}

/// The whole head, with the fields of a WebSocket handshake where the URL asks for one. Fields from the command line
/// take the place of those that would be there by themselves.
pub(super) fn head(url: &Url, method: &Method, lines: &[Line]) -> Vec<u8> {
    let mut own = vec![("Host", url.authority.as_str())];
    if url.is_websocket() {
        let handshake = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        own.extend(handshake);
    }
    own.retain(|(name, _)| !lines.iter().any(|line| line.name.eq_ignore_ascii_case(name)));
    let given = lines.iter().filter_map(|line| Some((line.name.as_str(), line.value.as_deref()?)));
    let mut head = format!("{} {} HTTP/1.1\r\n", method.text(), url.target);
    for (name, value) in own.into_iter().chain(given) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}
