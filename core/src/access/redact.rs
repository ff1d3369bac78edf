//! Masks the values of query parameters that carry credentials, before a query is logged (case 186).
//!
//! A name is compared without case, `_`, `-` and `.`, percent-decoded, and with the last part of `user[password]`: so
//! `access_token`, `accessToken` and `Access-Token` are one. Authorization, cookies and other fields are never logged.

use super::escape;

/// What stands in the place of a masked value.
pub const MASK: &[u8] = b"***";

/// Names longer than this are none of ours.
const LONGEST: usize = 32;

/// Which names are masked: the built-in ones and those that the configuration adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redact {
    extra: Vec<Vec<u8>>,
}

impl Redact {
    /// Makes it with the names of `access_log.redact` besides the built-in ones.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        Self { extra: names.iter().map(|name| Normal::of(name.as_bytes()).as_bytes().to_vec()).collect() }
    }

    /// Appends a query (without `?`) as the inside of a JSON string, masked.
    pub fn json(&self, out: &mut Vec<u8>, query: &[u8]) {
        self.write(out, query, escape::json);
    }

    /// Appends a query (without `?`) for a terminal, masked.
    pub fn text(&self, out: &mut Vec<u8>, query: &[u8]) {
        self.write(out, query, escape::text);
    }

    fn write(&self, out: &mut Vec<u8>, query: &[u8], escape: fn(&mut Vec<u8>, &[u8])) {
        // What is not masked is copied in one piece, up to and with the `=` before what is.
        let (mut copied, mut at) = (0, 0);
        for parameter in query.split(|byte| matches!(byte, b'&' | b';')) {
            let end = at + parameter.len();
            if let Some(equals) = parameter.iter().position(|byte| *byte == b'=')
                && self.is_secret(parameter.get(..equals).unwrap_or_default())
            {
                escape(out, query.get(copied..=at + equals).unwrap_or_default());
                out.extend_from_slice(MASK);
                copied = end;
            }
            at = end + 1;
        }
        escape(out, query.get(copied..).unwrap_or_default());
    }

    fn is_secret(&self, name: &[u8]) -> bool {
        let name = Normal::of(name);
        is_known(name.as_bytes()) || self.extra.iter().any(|extra| extra == name.as_bytes())
    }
}

/// A refused target or `Host` without a user and password before its host: nothing that is answered has them.
#[must_use]
pub fn without_user(text: &[u8]) -> &[u8] {
    let scheme = text.windows(3).position(|part| part == b"://").map_or(0, |at| at + 3);
    let rest = text.get(scheme..).unwrap_or_default();
    let authority = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => rest.get(at + 1..).unwrap_or_default(),
        None => text,
    }
}

/// The built-in names, without separators and in lower case.
fn is_known(name: &[u8]) -> bool {
    match name.len() {
        3 => matches!(name, b"key" | b"jwt" | b"pwd" | b"sig" | b"sid" | b"otp"),
        4 => matches!(name, b"code" | b"auth" | b"pass"),
        5 => matches!(name, b"token"),
        6 => matches!(name, b"apikey" | b"secret" | b"passwd" | b"ticket" | b"bearer"),
        7 => matches!(name, b"idtoken" | b"session"),
        8 => matches!(name, b"password"),
        9 => matches!(
            name,
            b"authtoken" | b"signature" | b"sessionid" | b"csrftoken" | b"accesskey" | b"secretkey" | b"assertion"
        ),
        10 => matches!(name, b"credential"),
        11 => matches!(name, b"accesstoken" | b"credentials"),
        12 => matches!(name, b"refreshtoken" | b"clientsecret" | b"samlresponse" | b"codeverifier"),
        13 => matches!(name, b"authorization" | b"xamzsignature"),
        14 => matches!(name, b"xgoogsignature" | b"xamzcredential"),
        15 => matches!(name, b"clientassertion" | b"xgoogcredential"),
        17 => matches!(name, b"xamzsecuritytoken"),
        _ => false,
    }
}

/// A name in the form in which names are compared.
struct Normal {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Normal {
    /// Gives the empty name for what is too long to be one of ours.
    fn of(name: &[u8]) -> Self {
        let mut normal = Self { bytes: [0; LONGEST], len: 0 };
        let (mut rest, mut opened) = (name, false);
        while let [first, tail @ ..] = rest {
            let (byte, after) = decoded(*first, tail);
            rest = after;
            match byte {
                b'_' | b'-' | b'.' | b']' => continue,
                // Of `user[password]` the innermost name counts; `token[]` has nothing inside and stays `token`.
                b'[' => {
                    opened = true;
                    continue;
                }
                _ if opened => (opened, normal.len) = (false, 0),
                _ => {}
            }
            let Some(place) = normal.bytes.get_mut(normal.len) else {
                return Self { bytes: [0; LONGEST], len: 0 };
            };
            *place = byte.to_ascii_lowercase();
            normal.len += 1;
        }
        normal
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The first byte of a name and what follows it, with `%xx` decoded.
fn decoded(first: u8, tail: &[u8]) -> (u8, &[u8]) {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit.to_le_bytes()[0]);
    if let (b'%', [high, low, after @ ..]) = (first, tail)
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        return (high << 4 | low, after);
    }
    (first, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_186_tokens_in_a_query_are_masked() {
        let redact = Redact::new(&["workspace_pin".to_owned(), "X-Deploy-Id".to_owned()]);
        let check = |query: &str, expect: &str| {
            let mut out = Vec::new();
            redact.json(&mut out, query.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expect, "query: {query}");
        };
        check("", "");
        check("page=2&sort=asc", "page=2&sort=asc");
        check("token=abc", "token=***");
        check("a=1&token=abc&b=2", "a=1&token=***&b=2");
        check("access_token=abc;b=2", "access_token=***;b=2");
        check("accessToken=a=b=&Access-Token=c", "accessToken=***&Access-Token=***");
        check("api_key=1&key=2&password=3&secret=4&code=5", "api_key=***&key=***&password=***&secret=***&code=***");
        check("signature=1&jwt=2", "signature=***&jwt=***");
        check("X-Amz-Signature=1&X-Amz-Date=2", "X-Amz-Signature=***&X-Amz-Date=2");
        check("%74oken=abc&to%6ben=x", "%74oken=***&to%6ben=***");
        check("token[]=a&user[password]=b&token[name]=c", "token[]=***&user[password]=***&token[name]=c");
        check("token%5B%5D=a&user%5Bpassword%5D=b", "token%5B%5D=***&user%5Bpassword%5D=***");
        check("token=", "token=***");
        check("token", "token");
        check("mytoken=a&tokens=b&monkey=c", "mytoken=a&tokens=b&monkey=c");
        check("workspace-pin=7&xdeployid=8", "workspace-pin=***&xdeployid=***");
        check("&&=&;token=1;", "&&=&;token=***;");
        check("a=\"\n&token=\"\n", r#"a=\"\n&token=***"#);
        check("%=1&%t=2&token%=3", "%=1&%t=2&token%=3");
        check(&format!("{}token=1", "x".repeat(40)), &format!("{}token=1", "x".repeat(40)));
    }

    #[test]
    fn case_186_users_and_passwords_before_a_host_are_left_out() {
        let check = |text: &str, expect: &str| {
            assert_eq!(without_user(text.as_bytes()).escape_ascii().to_string(), expect, "{text}");
        };
        check("http://u:p@a.test/x@y", "a.test/x@y");
        check("http://u:p@q@a.test", "a.test");
        check("u:p@a.test:80", "a.test:80");
        check("http://a.test/x@y", "http://a.test/x@y");
        check("a.test", "a.test");
        check("*", "*");
        check("", "");
    }
}
