//! What a request says about the content that it wants: its conditions, ranges and codings, found in one pass.

use crate::message::{Fields, Name};

/// The fields of a request that decide how content is given. Values are as they came.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    fields: &'a Fields,
    bytes: &'a [u8],
    /// `Range`, where it stands once.
    pub range: Option<&'a [u8]>,
    /// `If-Range`, where it stands once.
    pub if_range: Option<&'a [u8]>,
    /// `If-Modified-Since`, where it stands once.
    pub if_modified_since: Option<&'a [u8]>,
    /// `If-Unmodified-Since`, where it stands once.
    pub if_unmodified_since: Option<&'a [u8]>,
    /// Whether `If-Match` is there.
    pub if_match: bool,
    /// Whether `If-None-Match` is there.
    pub if_none_match: bool,
    /// Whether `Accept-Encoding` is there.
    pub accept_encoding: bool,
}

impl<'a> Asked<'a> {
    /// Reads the fields of a head that stands in `bytes`.
    #[must_use]
    pub fn read(fields: &'a Fields, bytes: &'a [u8]) -> Self {
        let mut asked = Self {
            fields,
            bytes,
            range: None,
            if_range: None,
            if_modified_since: None,
            if_unmodified_since: None,
            if_match: false,
            if_none_match: false,
            accept_encoding: false,
        };
        let mut ranges = 0;
        for field in fields.all().iter().filter(|field| field.name_id == Name::Other && !field.dropped) {
            let (name, value) = (field.name.of(bytes), Some(field.value.of(bytes)));
            // The length first: nearly every other field ends here.
            match name.len() {
                5 if name.eq_ignore_ascii_case(b"range") => {
                    ranges += 1;
                    asked.range = value;
                }
                8 if name.eq_ignore_ascii_case(b"if-range") => asked.if_range = value,
                8 if name.eq_ignore_ascii_case(b"if-match") => asked.if_match = true,
                13 if name.eq_ignore_ascii_case(b"if-none-match") => asked.if_none_match = true,
                15 if name.eq_ignore_ascii_case(b"accept-encoding") => asked.accept_encoding = true,
                17 if name.eq_ignore_ascii_case(b"if-modified-since") => asked.if_modified_since = value,
                19 if name.eq_ignore_ascii_case(b"if-unmodified-since") => asked.if_unmodified_since = value,
                _ => {}
            }
        }
        // Two of them could be read in two ways; without a range the whole is right in any case (RFC 9110 §14.2).
        if ranges > 1 {
            asked.range = None;
        }
        asked
    }

    /// The values of all lines of a name.
    pub fn lines(&self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.fields.matching(bytes, name).map(|field| field.value.of(bytes))
    }

    /// Whether nothing is asked but the content.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.range.is_none()
            && self.if_modified_since.is_none()
            && self.if_unmodified_since.is_none()
            && !self.if_match
            && !self.if_none_match
    }
}
