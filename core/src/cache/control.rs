//! `Cache-Control` in both directions (RFC 9111 §5.2): a list of directives, some with an argument, some quoted.
//!
//! Names count without regard to case, and what is inside quotes is never a directive. Nothing here decides.

/// Seconds as a directive gives them. More than this is this (RFC 9111 §1.2.2).
pub const MOST_SECONDS: u64 = 1 << 31;

/// An argument in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seconds {
    /// The directive is not there.
    #[default]
    Absent,
    /// It is there, and is no number: what it says of freshness counts as none (RFC 9111 §4.2.1).
    Invalid,
    /// It is this.
    Of(u64),
}

impl Seconds {
    /// The number, where it is one.
    #[must_use]
    pub const fn number(self) -> Option<u64> {
        match self {
            Self::Of(seconds) => Some(seconds),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// The first of several counts (RFC 9111 §4.2.1).
    fn set(&mut self, argument: &Argument<'_>) {
        if *self == Self::Absent {
            *self = argument.text().and_then(seconds).map_or(Self::Invalid, Self::Of);
        }
    }
}

/// Reads a number of seconds: digits and nothing else.
#[must_use]
pub fn seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add).min(MOST_SECONDS))
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseControl {
    /// Not to be stored.
    pub no_store: bool,
    /// Not to be used without asking first.
    pub no_cache: bool,
    /// For one user alone.
    pub private: bool,
    /// May be stored where it otherwise might not be.
    pub public: bool,
    /// Never to be used stale: `must-revalidate` and `proxy-revalidate`, which are one to a shared cache.
    pub must_revalidate: bool,
    /// `must-revalidate` itself, which also lets answers to authorized requests be stored.
    pub revalidate_for_all: bool,
    /// Only for caches that understand the status.
    pub must_understand: bool,
    /// Not to be changed on the way.
    pub no_transform: bool,
    /// Fresh this long.
    pub max_age: Seconds,
    /// The same for shared caches.
    pub s_maxage: Seconds,
    /// How long it may be used while it is asked for anew (RFC 5861 §3).
    pub stale_while_revalidate: Seconds,
    /// How long it may be used where asking fails (RFC 5861 §4).
    pub stale_if_error: Seconds,
    /// Fields that are not to be stored: those that `no-cache` and `private` name.
    pub withheld: Vec<Box<[u8]>>,
}

impl ResponseControl {
    /// Reads the lines of `Cache-Control`, in order.
    #[must_use]
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut control = Self::default();
        for (name, argument) in lines.flat_map(Directives::of) {
            let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
            match () {
                () if is("no-store") => control.no_store = true,
                () if is("no-cache") => match control.withhold(&argument) {
                    true => {}
                    false => control.no_cache = true,
                },
                () if is("private") => match control.withhold(&argument) {
                    true => {}
                    false => control.private = true,
                },
                () if is("public") => control.public = true,
                () if is("must-revalidate") => (control.must_revalidate, control.revalidate_for_all) = (true, true),
                () if is("proxy-revalidate") => control.must_revalidate = true,
                () if is("must-understand") => control.must_understand = true,
                () if is("no-transform") => control.no_transform = true,
                () if is("max-age") => control.max_age.set(&argument),
                () if is("s-maxage") => control.s_maxage.set(&argument),
                () if is("stale-while-revalidate") => control.stale_while_revalidate.set(&argument),
                () if is("stale-if-error") => control.stale_if_error.set(&argument),
                () => {}
            }
        }
        control
    }

    /// Notes the fields that an argument names; false where it names none.
    fn withhold(&mut self, argument: &Argument<'_>) -> bool {
        let Some(list) = argument.text() else { return false };
        let names = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
        let before = self.withheld.len();
        self.withheld.extend(names.map(|name| name.to_ascii_lowercase().into_boxed_slice()));
        self.withheld.len() > before
    }
}

/// What a request says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestControl {
    /// Nothing of the answer is to be stored.
    pub no_store: bool,
    /// Nothing stored without asking first.
    pub no_cache: bool,
    /// Nothing that would have to be asked for.
    pub only_if_cached: bool,
    /// Nothing older.
    pub max_age: Seconds,
    /// Nothing that is fresh for less.
    pub min_fresh: Seconds,
    /// Something that has been stale for so long would do.
    pub max_stale: Option<u64>,
    /// The same where asking fails.
    pub stale_if_error: Seconds,
}

impl RequestControl {
    /// Reads the lines of `Cache-Control`, in order.
    #[must_use]
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut control = Self::default();
        for (name, argument) in lines.flat_map(Directives::of) {
            let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
            match () {
                () if is("no-store") => control.no_store = true,
                () if is("no-cache") => control.no_cache = true,
                () if is("only-if-cached") => control.only_if_cached = true,
                () if is("max-age") => control.max_age.set(&argument),
                () if is("min-fresh") => control.min_fresh.set(&argument),
                () if is("stale-if-error") => control.stale_if_error.set(&argument),
                // Without a number any staleness will do; with what is none, none will.
                () if is("max-stale") => {
                    control.max_stale = match argument.text() {
                        None => Some(MOST_SECONDS),
                        Some(text) => seconds(text),
                    }
                }
                () => {}
            }
        }
        control
    }

    /// The same for a rule that lets no client decide what is asked for.
    #[must_use]
    pub fn unheard(self) -> Self {
        Self { only_if_cached: self.only_if_cached, no_store: self.no_store, ..Self::default() }
    }
}

/// An argument of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument<'a> {
    None,
    Text(&'a [u8]),
}

impl<'a> Argument<'a> {
    const fn text(&self) -> Option<&'a [u8]> {
        match self {
            Self::None => None,
            Self::Text(text) => Some(text),
        }
    }
}

/// The directives of one line, one after the other.
struct Directives<'a>(&'a [u8]);

impl<'a> Directives<'a> {
    const fn of(line: &'a [u8]) -> Self {
        Self(line)
    }

    /// Cuts off what stands before the next byte of `ends`.
    fn until(&mut self, ends: &[u8]) -> &'a [u8] {
        let at = self.0.iter().position(|byte| ends.contains(byte)).unwrap_or(self.0.len());
        let (before, rest) = self.0.split_at(at);
        self.0 = rest;
        before
    }

    /// The text in quotes that begins here; what is escaped in it stays as it is, for no directive needs it.
    fn quoted(&mut self) -> &'a [u8] {
        let inside = self.0.get(1..).unwrap_or_default();
        let mut escaped = false;
        let end = inside.iter().position(|byte| match (escaped, byte) {
            (true, _) => {
                escaped = false;
                false
            }
            (false, b'\\') => {
                escaped = true;
                false
            }
            (false, byte) => *byte == b'"',
        });
        let end = end.unwrap_or(inside.len());
        self.0 = inside.get(end + 1..).unwrap_or_default();
        inside.get(..end).unwrap_or_default()
    }
}

impl<'a> Iterator for Directives<'a> {
    type Item = (&'a [u8], Argument<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
            self.0 = self.0.get(start..)?;
            // White space around `=` is not in the grammar: such a name is none of those that are looked for.
            let name = self.until(b"=,");
            if self.0.first() != Some(&b'=') {
                return Some((name.trim_ascii_end(), Argument::None));
            }
            self.0 = self.0.get(1..)?;
            if self.0.first() != Some(&b'"') {
                return Some((name, Argument::Text(self.until(b",").trim_ascii_end())));
            }
            let text = self.quoted();
            // Something directly behind the quotes makes it a text of no meaning.
            if self.until(b",").trim_ascii().is_empty() {
                return Some((name, Argument::Text(text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(line: &str) -> ResponseControl {
        ResponseControl::read(std::iter::once(line.as_bytes()))
    }

    #[test]
    fn seconds_are_digits() {
        for (line, expect) in [
            ("max-age=3600", Seconds::Of(3600)),
            ("MaX-aGe=3600", Seconds::Of(3600)),
            ("foobar, max-age=3600", Seconds::Of(3600)),
            ("max-age=003600", Seconds::Of(3600)),
            ("max-age=\"3600\"", Seconds::Of(3600)),
            ("max-age=99999999999999999999999", Seconds::Of(MOST_SECONDS)),
            ("max-age=2147483649", Seconds::Of(MOST_SECONDS)),
            ("max-age=0", Seconds::Of(0)),
            ("max-age=-3600", Seconds::Invalid),
            ("max-age='3600'", Seconds::Invalid),
            ("max-age=3600.0", Seconds::Invalid),
            ("max-age= 3600", Seconds::Invalid),
            ("max-age=a1", Seconds::Invalid),
            ("max-age=1a", Seconds::Invalid),
            ("max-age=", Seconds::Invalid),
            ("max-age", Seconds::Invalid),
            ("max-age =3600", Seconds::Absent),
            ("extension=\"max-age=3600\"", Seconds::Absent),
            ("extension=\"max-age=3600\", max-age=1", Seconds::Of(1)),
            ("max-age=\"1\", extension=\"max-age=3600\"", Seconds::Of(1)),
            ("extension=\"\\\", max-age=3600\", max-age=1", Seconds::Of(1)),
            ("extension=\"open, max-age=3600", Seconds::Absent),
            ("max-age=1, max-age=1800", Seconds::Of(1)),
            ("", Seconds::Absent),
            (",,, ,", Seconds::Absent),
        ] {
            assert_eq!(response(line).max_age, expect, "{line}");
        }
    }

    #[test]
    fn fields_can_be_withheld() {
        let control = response("no-cache=\"a, B\", private=\"c\", max-age=60");
        assert_eq!(control.withheld, [&b"a"[..], b"b", b"c"].map(Box::from));
        assert!(!control.no_cache && !control.private);
        for line in ["no-cache=\"\"", "No-CaChE", "no-cache="] {
            assert!(response(line).no_cache, "{line}");
        }
        assert!(response("max-age=10, private").private);
        assert!(response("No-StOrE").no_store);
    }

    #[test]
    fn requests_are_read() {
        let read = |line: &str| RequestControl::read(std::iter::once(line.as_bytes()));
        assert_eq!(read("max-stale").max_stale, Some(MOST_SECONDS));
        assert_eq!(read("max-stale=5").max_stale, Some(5));
        assert_eq!(read("max-stale=x").max_stale, None);
        assert_eq!(read("max-age=0").max_age, Seconds::Of(0));
        assert!(read("only-if-cached, no-store").only_if_cached);
        let unheard = read("no-cache, max-age=0, only-if-cached, no-store").unheard();
        assert_eq!(unheard, RequestControl { only_if_cached: true, no_store: true, ..RequestControl::default() });
    }
}
