//! The values that a request has under a name: field lines, cookies, query parameters.
//!
//! Every one is visited, for a sender can repeat any of them, and a second value must not hide behind the first.

use std::borrow::Cow;

use crate::message::Name;
use crate::route::Facts;
use crate::target::path::percent_encoded;

/// The members of a list field's value, without white space around them (RFC 9110 §5.6.1).
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// The values of the lines with a name. `name` is in any case.
pub(crate) fn header<'a>(facts: &Facts<'a>, id: Name, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
    let head = facts.head;
    let lines = facts.fields.all().iter().filter(move |field| {
        let same = if id == Name::Other { field.name.of(head).eq_ignore_ascii_case(name) } else { field.name_id == id };
        same && !field.dropped
    });
    lines.map(move |field| field.value.of(head))
}

/// The values of the cookies with a name (RFC 6265 §5.4), as they came.
pub(crate) fn cookie<'a>(facts: &Facts<'a>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
    header(facts, Name::Cookie, b"cookie").flat_map(|line| line.split(|&byte| byte == b';')).filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (key, value) = pair.split_at(equals);
        // What stands before the sign is trimmed by those who read cookies (RFC 6265 §5.2).
        (key.trim_ascii_end() == name).then(|| value.get(1..).unwrap_or_default())
    })
}

/// What a value in quotes is for servers that take them off; `None` where there are none.
pub(crate) fn unquoted(value: &[u8]) -> Option<&[u8]> {
    value.trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The values of the query parameters with a name for servers to whom `;` parts them too, as HTML 4 had it; only from pairs
/// that have one.
pub(crate) fn query_by_semicolons<'a>(query: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + Clone {
    let pairs = query.split(|&byte| byte == b'&').filter(|pair| pair.contains(&b';'));
    pairs.flat_map(|pair| pair.split(|&byte| byte == b';')).flat_map(move |piece| self::query(piece, name))
}

/// The values of the query parameters with a name, both decoded as forms are: `+` is a space.
pub(crate) fn query<'a>(query: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + Clone {
    query.split(|&byte| byte == b'&').filter_map(move |pair| {
        let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
        let (key, value) = pair.split_at(equals);
        (*form_decoded(key) == *name).then(|| form_decoded(value.get(1..).unwrap_or_default()))
    })
}

/// Decodes a piece of a form. What is no percent-encoding stays; borrows where nothing is encoded.
fn form_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let value = percent_encoded(text, at);
        at += if value.is_some() { 3 } else { 1 };
        out.push(value.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    Cow::Owned(out)
}
