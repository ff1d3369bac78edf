//! The request target and its authority, checked and canonical: where a request wants to go.
//!
//! The data path calls [`Destination::parse`] once per request, behind the codec and before the route table. What is not
//! plain is refused here, so that the proxy and an upstream can't read one target in two ways. Nothing here looks at a
//! route, and nothing allocates for a target that is canonical as it came.

use std::borrow::Cow;

use crate::message::{Span, Version};
use crate::reason::Reason;

mod authority;
pub(crate) mod path;
#[cfg(test)]
mod tests;
mod words;

use authority::Authority;
pub use authority::canonical_host;
pub use path::canonical_key_path;

/// Where a request wants to go.
///
/// Three views of its path, each for one use:
/// * [`forward`](Self::forward): what an upstream gets. Path and query as they came, except that dot segments are
///   resolved and empty segments merged; percent-encodings and `;parameters` stay untouched.
/// * [`path`](Self::path): what routes and conditions see. The same path with everything decoded that RFC 3986 allows
///   in a segment as it is (once, never twice), other encodings in upper case, and without `;parameters`.
/// * [`decoded_path`](Self::decoded_path): only where the path has an encoded slash, the path that an upstream would see
///   that decodes it. The route table asks for both, and refuses where they would be answered differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    host: Cow<'a, [u8]>,
    port: Option<u16>,
    forward: Cow<'a, [u8]>,
    path_len: usize,
    path: Cow<'a, [u8]>,
    decoded_path: Option<Vec<u8>>,
    /// The target as it came, where merging empty segments is all that was done to it.
    unmerged: Option<Cow<'a, [u8]>>,
}

impl<'a> Destination<'a> {
    /// Reads a request target (RFC 9112 §3.2) and the values of the `Host` fields, all of them.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the method, the target or `Host`; each error has a reason and a sentence.
    pub fn parse(
        method: &[u8],
        target: &'a [u8],
        hosts: impl IntoIterator<Item = &'a [u8]>,
        version: Version,
    ) -> Result<Self, TargetError> {
        refuse_method(method)?;
        let form = Form::of(method, target)?;
        let host = single_host(hosts, version)?;
        let Form::Absolute { default_port, authority, rest } = form else {
            let authority = host.unwrap_or_default();
            return if form == Form::Asterisk { Ok(Self::asterisk(authority)) } else { Self::at(authority, target) };
        };
        let named = Authority::parse(authority)?;
        // RFC 9112 §3.2.2 lets the target win over a Host that differs. Two names for one request are refused instead,
        // since whatever stands behind us may pick the other one.
        if host.is_some_and(|host| !host.equals(&named, default_port)) {
            return Err(TargetError::HostDiffers);
        }
        match rest.first() {
            Some(b'/') => Self::at(named, rest),
            // RFC 9112 §3.2.4: the last proxy of a chain turns this form back into the asterisk.
            None if method == b"OPTIONS" => Ok(Self::asterisk(named)),
            None => Self::at(named, b"/"),
            Some(_) => {
                let origin = [b"/", rest].concat();
                Destination::at(named, &origin).map(Destination::into_owned)
            }
        }
    }

    fn at(authority: Authority<'a>, origin: &'a [u8]) -> Result<Self, TargetError> {
        let path::Split { path_len, tidy } = path::scan(origin)?;
        let (raw, query) = origin.split_at(path_len);
        let (host, port) = (authority.host, authority.port);
        if tidy {
            let (forward, path) = (Cow::Borrowed(origin), Cow::Borrowed(raw));
            return Ok(Self { host, port, forward, path_len, path, decoded_path: None, unmerged: None });
        }
        path::check_encoding(raw)?;
        Ok(match path::resolve(raw)? {
            Cow::Borrowed(_) => {
                let decoded_path = path::with_slashes_decoded(raw)?;
                let (forward, path) = (Cow::Borrowed(origin), path::canonical(raw));
                Self { host, port, forward, path_len, path, decoded_path, unmerged: None }
            }
            // What was resolved away is gone for the upstream too, and with it perhaps an encoded slash.
            Cow::Owned(resolved) => {
                let decoded_path = path::with_slashes_decoded(&resolved)?;
                let path = Cow::Owned(path::canonical(&resolved).into_owned());
                let path_len = resolved.len();
                let forward = Cow::Owned([&resolved, query].concat());
                // `/a//../b` would climb out of the empty segment for who keeps it, and out of `/a` for who does not.
                let unmerged = (!path::has_dot_segment(raw)?).then_some(Cow::Borrowed(origin));
                Self { host, port, forward, path_len, path, decoded_path, unmerged }
            }
        })
    }

    fn asterisk(authority: Authority<'a>) -> Self {
        let Authority { host, port } = authority;
        let star: &[u8] = b"*";
        let (forward, path) = (star.into(), star.into());
        Self { host, port, forward, path_len: 1, path, decoded_path: None, unmerged: None }
    }

    /// The same with the empty segments that it came with in what an upstream gets; `None` where it came with none, or
    /// with dot segments besides. What routes and conditions see stays merged.
    #[must_use]
    pub fn with_empty_segments(&self) -> Option<Destination<'a>> {
        let forward = self.unmerged.clone()?;
        let path_len = memchr::memchr(b'?', &forward).unwrap_or(forward.len());
        Some(Self { forward, path_len, unmerged: None, ..self.clone() })
    }

    /// The host: lower case, without trailing dot and port, IPv6 in brackets. Empty only for HTTP/1.0 without `Host`.
    #[must_use]
    pub fn host(&self) -> &[u8] {
        &self.host
    }

    /// The port that the request names, if it names one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The target as an upstream gets it: origin form, or `*`.
    #[must_use]
    pub fn forward(&self) -> &[u8] {
        &self.forward
    }

    /// The path of [`forward`](Self::forward).
    #[must_use]
    pub fn raw_path(&self) -> &[u8] {
        self.forward.get(..self.path_len).unwrap_or_default()
    }

    /// The query without its `?`, if there is one. It is data: nothing in it moves the path.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.forward.get(self.path_len + 1..)
    }

    /// The canonical path, for routes and conditions; `*` for the asterisk form.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The canonical path with encoded slashes decoded; `None` where there are none.
    #[must_use]
    pub fn decoded_path(&self) -> Option<&[u8]> {
        self.decoded_path.as_deref()
    }

    /// Copies what is borrowed.
    #[must_use]
    pub fn into_owned<'b>(self) -> Destination<'b> {
        Destination {
            host: Cow::Owned(self.host.into_owned()),
            port: self.port,
            forward: Cow::Owned(self.forward.into_owned()),
            path_len: self.path_len,
            path: Cow::Owned(self.path.into_owned()),
            decoded_path: self.decoded_path,
            unmerged: self.unmerged.map(|target| Cow::Owned(target.into_owned())),
        }
    }
}

/// The forms of RFC 9112 §3.2 that are served; the authority form belongs to CONNECT alone.
#[derive(PartialEq)]
enum Form<'a> {
    Origin,
    Absolute { default_port: u16, authority: &'a [u8], rest: &'a [u8] },
    Asterisk,
}

impl<'a> Form<'a> {
    fn of(method: &[u8], target: &'a [u8]) -> Result<Self, TargetError> {
        match target {
            [b'/', ..] => return Ok(Self::Origin),
            b"*" if method == b"OPTIONS" => return Ok(Self::Asterisk),
            [b'*', ..] => return Err(TargetError::Asterisk),
            _ => {}
        }
        let (default_port, rest) = if let Some(rest) = after_scheme(target, b"http://") {
            (80, rest)
        } else if let Some(rest) = after_scheme(target, b"https://") {
            (443, rest)
        } else {
            return Err(TargetError::Form);
        };
        // RFC 3986 §3.2: an authority ends at the first slash, question mark or number sign, not at a slash alone.
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        Ok(Self::Absolute { default_port, authority, rest })
    }
}

/// The host that a target in absolute form names, as it stands there; `None` for the other forms. For a request without
/// `Host`, which HTTP/1.0 allows: an upstream gets the one that decided (RFC 9112 §3.2.2).
#[must_use]
pub fn named_host(target: Span, bytes: &[u8]) -> Option<Span> {
    let text = target.of(bytes);
    let Ok(Form::Absolute { authority, rest, .. }) = Form::of(b"GET", text) else { return None };
    let before = text.len() - authority.len() - rest.len();
    let start = target.start + u32::try_from(before).ok()?;
    Some(Span { start, end: start + u32::try_from(authority.len()).ok()? })
}

fn after_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = target.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Refuses the methods that are never forwarded (RFC 9110 §9.3.6, §9.3.8), in any case: some upstreams fold it.
fn refuse_method(method: &[u8]) -> Result<(), TargetError> {
    match method.len() {
        5 if method.eq_ignore_ascii_case(b"TRACE") || method.eq_ignore_ascii_case(b"TRACK") => Err(TargetError::Trace),
        7 if method.eq_ignore_ascii_case(b"CONNECT") => Err(TargetError::Connect),
        _ => Ok(()),
    }
}

/// Reads the one `Host` (RFC 9112 §3.2). HTTP/1.0 may come without.
fn single_host<'a>(
    hosts: impl IntoIterator<Item = &'a [u8]>,
    version: Version,
) -> Result<Option<Authority<'a>>, TargetError> {
    let mut hosts = hosts.into_iter();
    let Some(host) = hosts.next() else {
        return if version == Version::Http10 { Ok(None) } else { Err(TargetError::NoHost) };
    };
    if hosts.next().is_some() {
        return Err(TargetError::ManyHosts);
    }
    Authority::parse(host).map(Some)
}

/// What is wrong with a target, a `Host` or a method that decides how the target is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// TRACE or TRACK.
    Trace,
    /// CONNECT.
    Connect,
    /// HTTP/1.1 without `Host`.
    NoHost,
    /// More than one `Host`, even equal ones.
    ManyHosts,
    /// A host that is empty or has a byte or shape that no host has.
    Host,
    /// A port that is no number from 1 to 65535.
    Port,
    /// `user:password@` before the host.
    UserInfo,
    /// None of the forms of a target, or a scheme that is not served.
    Form,
    /// `*` with another method than OPTIONS, or with something behind it.
    Asterisk,
    /// An absolute target and a `Host` that name different places.
    HostDiffers,
    /// `#` in a target.
    Fragment,
    /// A byte that must be percent-encoded.
    Byte,
    /// `%` without two hexadecimal digits behind it.
    Encoding,
    /// An encoded control character.
    Control,
    /// An encoded backslash.
    Backslash,
    /// A character in more bytes of UTF-8 than it needs.
    Overlong,
    /// Dot segments that climb above the root.
    AboveRoot,
    /// A dot segment with `;parameters`.
    DotParameters,
    /// A dot segment that only appears once an encoded slash is decoded.
    HiddenDots,
}

impl TargetError {
    /// The code of the answer.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Trace | Self::Connect => Reason::MethodNotAllowed,
            Self::NoHost
            | Self::ManyHosts
            | Self::Host
            | Self::Port
            | Self::UserInfo
            | Self::Form
            | Self::Asterisk
            | Self::HostDiffers
            | Self::Fragment
            | Self::Byte
            | Self::Encoding
            | Self::Control
            | Self::Backslash
            | Self::Overlong
            | Self::AboveRoot
            | Self::DotParameters
            | Self::HiddenDots => Reason::BadRequest,
        }
    }

    /// One sentence for the person who made the request.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Trace => "TRACE and TRACK are never forwarded: they would show fields that were added on the way.",
            Self::Connect => "CONNECT is not served: this is a reverse proxy, not a forward proxy.",
            Self::NoHost => "The request has no Host field, which HTTP/1.1 requires.",
            Self::ManyHosts => "The request has more than one Host field.",
            Self::Host => "The host of the request is not a host name or an IP address.",
            Self::Port => "The port of the request's host is not a number from 1 to 65535.",
            Self::UserInfo => "The host of the request has a user name before it (user@host), which HTTP forbids.",
            Self::Form => "The request target must begin with a slash, http:// or https://.",
            Self::Asterisk => "The request target * stands alone, and only with OPTIONS.",
            Self::HostDiffers => "The request target and the Host field name different hosts or ports.",
            Self::Fragment => "The request target contains #; a fragment is never sent.",
            Self::Byte => "The request target contains a byte that must be percent-encoded (RFC 3986).",
            Self::Encoding => "The path contains a % that two hexadecimal digits do not follow.",
            Self::Control => "The path contains an encoded control character (such as %00 or %0a).",
            Self::Backslash => "The path contains an encoded backslash (%5c).",
            Self::Overlong => "The path contains an overlong UTF-8 sequence (such as %c0%af).",
            Self::AboveRoot => "The path climbs above its root with .. segments.",
            Self::DotParameters => "The path contains a dot segment with parameters (such as ..;x).",
            Self::HiddenDots => "The path contains a dot segment behind an encoded slash (such as ..%2f).",
        }
    }
}
