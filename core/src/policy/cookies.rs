//! `cookies:` attributes that an upstream's cookies get on their way to the client (RFC 6265 §4.1).

use crate::config::CookieFlags;
use crate::message::{Fields, Name};

/// Drops each `Set-Cookie` line that lacks something, and writes it anew behind `out` with that.
pub(super) fn edit(flags: CookieFlags, fields: &mut Fields, bytes: &[u8], out: &mut Vec<u8>) {
    if flags == CookieFlags::default() {
        return;
    }
    for field in fields.all_mut() {
        if field.name_id != Name::SetCookie || field.dropped {
            continue;
        }
        let value = field.value.of(bytes);
        let has = |name: &[u8]| {
            value.split(|&byte| byte == b';').skip(1).any(|attribute| {
                let key = attribute.split(|&byte| byte == b'=').next().unwrap_or_default();
                key.trim_ascii().eq_ignore_ascii_case(name)
            })
        };
        let secure = flags.secure && !has(b"secure");
        let http_only = flags.http_only && !has(b"httponly");
        let same_site = flags.same_site.filter(|_| !has(b"samesite"));
        if !secure && !http_only && same_site.is_none() {
            continue;
        }
        field.dropped = true;
        out.extend_from_slice(b"set-cookie: ");
        out.extend_from_slice(value);
        if secure {
            out.extend_from_slice(b"; Secure");
        }
        if http_only {
            out.extend_from_slice(b"; HttpOnly");
        }
        if let Some(same_site) = same_site {
            out.extend_from_slice(b"; SameSite=");
            out.extend_from_slice(same_site.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}
