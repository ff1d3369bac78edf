//! What a verified token says, as facts for templates, keys and fields.
//!
//! A desk keeps them while an exchange lasts. Nothing that was not verified ever stands here.

use serde_json::Value;

/// The claims of the request's token; none where it has none.
#[derive(Debug, Default)]
pub struct Claims(Value);

/// No claims.
pub static NONE: Claims = Claims(Value::Null);

impl Claims {
    /// Of a payload that was verified.
    pub(super) const fn new(payload: Value) -> Self {
        Self(payload)
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0 = Value::Null;
    }

    /// A claim as text: of a list its members with commas between. `a.b` is `b` in `a` where no claim is called so.
    /// Nothing where there is no such claim, or one that is no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        match self.find(name)? {
            Value::Array(members) => {
                let members: Option<Vec<String>> = members.iter().map(scalar).collect();
                members.map(|members| members.join(","))
            }
            one => scalar(one),
        }
    }

    /// The values of a claim, each by itself.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        match self.find(name) {
            Some(Value::Array(members)) => members.iter().filter_map(scalar).collect(),
            Some(one) => scalar(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// A claim that is a time, in seconds since 1970 (RFC 7519 §2).
    pub(super) fn time(&self, name: &str) -> Option<f64> {
        self.find(name)?.as_f64()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        name.split('.').try_fold(&self.0, |within, part| within.get(part))
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
