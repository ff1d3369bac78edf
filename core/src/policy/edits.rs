//! Edits of a head's fields: lines that go, lines that come, and lines that come where there is none.
//!
//! Names and fixed values are ready when a snapshot is; what depends on the request is filled in once per request.
//! A value that could end its line is never written (case 76).

use std::collections::BTreeMap;

use crate::config::{HeaderEdit, SecurityHeaders, Template, TemplatePart};
use crate::message::{Field, Fields, Name};
use crate::route::Facts;
use crate::template::{TemplateError, render};

/// The edits of one direction.
#[derive(Debug, Default)]
pub struct HeadEdits {
    /// Lines with these names go.
    drops: Box<[FieldName]>,
    /// These come.
    lines: Box<[Line]>,
    /// These come where no line with their name is left.
    defaults: Box<[Line]>,
    /// Some names are of lines that the proxy writes itself, behind all edits.
    own: bool,
}

/// A name, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct FieldName {
    id: Name,
    text: Box<[u8]>,
}

#[derive(Debug)]
struct Line {
    name: FieldName,
    value: Value,
}

#[derive(Debug)]
enum Value {
    /// The whole line, ready to be copied.
    Fixed(Box<[u8]>),
    Template(Template),
}

/// The templates of one message, filled in, in their order.
#[derive(Debug, Default)]
pub struct Rendered {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Rendered {
    /// Forgets the values and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The next value; `None` where nothing was filled in.
    fn next(&self, at: &mut usize) -> Option<&[u8]> {
        let end = *self.ends.get(*at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        *at += 1;
        self.bytes.get(start..end)
    }
}

impl HeadEdits {
    /// Compiles edits by lower-case name, and below them the fields of `security_headers`.
    pub(super) fn compile(written: &BTreeMap<String, HeaderEdit>, security: Option<&SecurityHeaders>) -> Self {
        let (mut drops, mut lines, mut defaults) = (Vec::new(), Vec::new(), Vec::new());
        for (name, edit) in written {
            let line = |value: &Template| Line { name: FieldName::new(name), value: Value::new(name, value) };
            match edit {
                HeaderEdit::Set(value) => {
                    drops.push(FieldName::new(name));
                    lines.push(line(value));
                }
                HeaderEdit::Add(values) => lines.extend(values.iter().map(line)),
                HeaderEdit::Remove => drops.push(FieldName::new(name)),
                HeaderEdit::Default(value) => defaults.push(line(value)),
            }
        }
        for (name, value) in security.map(careful).into_iter().flatten() {
            if !written.contains_key(name) {
                defaults.push(Line { name: FieldName::new(name), value: Value::fixed(name, value.as_bytes()) });
            }
        }
        let own = written.keys().any(|name| is_own(name));
        Self { drops: drops.into(), lines: lines.into(), defaults: defaults.into(), own }
    }

    /// Fills in what depends on the request.
    pub(super) fn render(&self, facts: &Facts<'_>, into: &mut Rendered) -> Result<(), TemplateError> {
        into.clear();
        for line in self.lines.iter().chain(&self.defaults) {
            if let Value::Template(template) = &line.value {
                render(template, facts, &mut into.bytes)?;
                into.ends.push(into.bytes.len());
            }
        }
        Ok(())
    }

    /// Marks lines that go as dropped, and writes those that come behind `out`.
    pub(super) fn apply(&self, fields: &mut Fields, bytes: &[u8], filled: &Rendered, out: &mut Vec<u8>) {
        if !self.drops.is_empty() {
            for field in fields.all_mut() {
                field.dropped |= self.drops.iter().any(|name| name.is_of(field, bytes));
            }
        }
        let fields = &*fields;
        self.add(filled, |name| fields.all().iter().any(|field| !field.dropped && name.is_of(field, bytes)), out);
    }

    /// Writes the lines that come for a message whose fields are elsewhere.
    pub(super) fn add_where(&self, filled: &Rendered, has: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
        self.add(filled, |name| !self.drops(&name.text) && has(&name.text), out);
    }

    /// Whether lines with that name go.
    pub(super) fn drops(&self, name: &[u8]) -> bool {
        self.drops.iter().any(|drop| *drop.text == *name)
    }

    fn add(&self, filled: &Rendered, has: impl Fn(&FieldName) -> bool, out: &mut Vec<u8>) {
        let mut at = 0;
        for added in &self.lines {
            added.write(filled, &mut at, true, out);
        }
        for default in &self.defaults {
            let wanted = !has(&default.name);
            default.write(filled, &mut at, wanted, out);
        }
    }

    /// Whether the edits name a field.
    pub(super) fn names(&self, name: &str) -> bool {
        let is = |one: &FieldName| *one.text == *name.as_bytes();
        self.drops.iter().any(is) || self.lines.iter().chain(&self.defaults).any(|line| is(&line.name))
    }

    /// Takes the lines that the proxy wrote itself (`x-forwarded-…`, `forwarded`, `via`) out of the head that begins at
    /// `start` in `out`, where edits name them: what the operator says about them stands alone (case 74).
    pub fn strip_own(&self, out: &mut Vec<u8>, start: usize) {
        if !self.own {
            return;
        }
        let head = out.split_off(start);
        for line in head.split_inclusive(|&byte| byte == b'\n') {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            let named = |field: &FieldName| name.eq_ignore_ascii_case(&field.text) && line.len() > name.len();
            if !self.drops.iter().any(named) {
                out.extend_from_slice(line);
            }
        }
    }
}

/// Names of lines that are written behind the edits.
pub(crate) fn is_own(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// The fields of `security_headers` that don't depend on the request.
fn careful(headers: &SecurityHeaders) -> impl Iterator<Item = (&'static str, &str)> {
    let given = [
        ("x-content-type-options", Some("nosniff")),
        ("x-frame-options", headers.frame),
        ("referrer-policy", headers.referrer.as_deref()),
        ("permissions-policy", headers.permissions.as_deref()),
        ("content-security-policy", headers.csp.as_deref()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

impl FieldName {
    fn new(name: &str) -> Self {
        Self { id: Name::find(name.as_bytes()), text: name.as_bytes().into() }
    }

    /// Whether a field of a message has this name.
    fn is_of(&self, field: &Field, bytes: &[u8]) -> bool {
        self.id == field.name_id && (self.id != Name::Other || field.name.of(bytes).eq_ignore_ascii_case(&self.text))
    }
}

impl Value {
    fn new(name: &str, template: &Template) -> Self {
        match template.parts.as_slice() {
            [] => Self::fixed(name, b""),
            [TemplatePart::Literal(text)] => Self::fixed(name, text.as_bytes()),
            [..] => Self::Template(template.clone()),
        }
    }

    fn fixed(name: &str, value: &[u8]) -> Self {
        let mut out = Vec::new();
        line(&mut out, name.as_bytes(), value.trim_ascii());
        Self::Fixed(out.into())
    }
}

impl Line {
    fn write(&self, filled: &Rendered, at: &mut usize, wanted: bool, out: &mut Vec<u8>) {
        match &self.value {
            Value::Fixed(line) if wanted => out.extend_from_slice(line),
            Value::Fixed(_) => {}
            Value::Template(_) => {
                if let Some(value) = filled.next(at).filter(|_| wanted) {
                    line(out, &self.name.text, value.trim_ascii());
                }
            }
        }
    }
}

/// Writes one line.
pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The lines of a block that was made here, as name and value.
pub fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at(colon);
        Some((name, value.get(1..)?.trim_ascii()))
    })
}

impl HeadEdits {
    /// The names of what goes and comes.
    pub(super) fn describe(&self) -> Option<String> {
        let text = |name: &FieldName| String::from_utf8_lossy(&name.text).into_owned();
        let comes = |name: &FieldName| self.lines.iter().any(|line| line.name == *name);
        let names = |lines: &[Line]| lines.iter().map(|line| text(&line.name)).collect::<Vec<_>>().join(", ");
        let gone: Vec<String> = self.drops.iter().filter(|name| !comes(name)).map(text).collect();
        let mut words = Vec::new();
        if !gone.is_empty() {
            words.push(format!("without {}", gone.join(", ")));
        }
        if !self.lines.is_empty() {
            words.push(format!("with {}", names(&self.lines)));
        }
        if !self.defaults.is_empty() {
            words.push(format!("where missing {}", names(&self.defaults)));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}
