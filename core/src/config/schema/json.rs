//! The JSON Schema for editors, printed from the same table that the walk asks.
//!
//! `switchboard schema` prints it; a golden file in the repository keeps it fresh. Derived from Rust types it would be
//! wrong: the forms of the language are unions that only the walk knows, and its texts would stand twice.

use super::{FILE, Key, Kind, Object, Status};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schema (draft 2020-12), with a line break at the end. The same text each time.
#[must_use]
pub fn json_schema() -> String {
    let mut definitions = BTreeMap::new();
    define(&FILE, &mut definitions);
    let mut schema = match definitions.remove(FILE.name) {
        Some(Value::Object(file)) => file,
        Some(_) | None => Map::new(),
    };
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Switchboard configuration"));
    schema.insert("$defs".to_owned(), definitions.into_iter().map(|(name, one)| (name.to_owned(), one)).collect());
    format!("{:#}\n", Value::Object(schema))
}

/// Adds an object and all that it names.
fn define(object: &'static Object, definitions: &mut BTreeMap<&'static str, Value>) {
    if definitions.contains_key(object.name) {
        return;
    }
    // Conditions name themselves: the place is taken before the keys are looked at.
    definitions.insert(object.name, Value::Null);
    let mut properties = Map::new();
    for Key { name, doc, kind, status } in object.keys {
        if *status == Status::Built {
            let mut property = describe(kind, definitions);
            if let Value::Object(property) = &mut property {
                property.insert("description".to_owned(), json!(doc));
            }
            properties.insert((*name).to_owned(), property);
        }
    }
    let schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    definitions.insert(object.name, schema);
}

fn describe(kind: &'static Kind, definitions: &mut BTreeMap<&'static str, Value>) -> Value {
    match kind {
        // YAML reads 8080 and true as such; the language takes the scalar as written.
        Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Switch => json!({ "enum": [true, false, "on", "off"] }),
        Kind::Off => json!({ "enum": ["off", false] }),
        Kind::Unlimited => json!({ "const": "unlimited" }),
        Kind::Duration => json!({ "type": "string", "pattern": r"^([0-9]+(ms|s|m|h|d)|.*\$\{.*)$" }),
        Kind::Size => json!({ "type": "string", "pattern": r"^([0-9]+([KMGT]i?)?B|.*\$\{.*)$" }),
        Kind::ByteRate => json!({ "type": "string", "pattern": r"^([0-9]+([KMGT]i?)?B/s|.*\$\{.*)$" }),
        Kind::Share => json!({ "type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?%|.*\$\{.*)$" }),
        Kind::Count(least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": r"^([0-9]+|.*\$\{.*)$" },
        ] }),
        Kind::Words(words) => json!({ "enum": words }),
        Kind::Object(object) => {
            define(object, definitions);
            json!({ "$ref": format!("#/$defs/{}", object.name) })
        }
        Kind::Map(value) => json!({ "type": "object", "additionalProperties": describe(value, definitions) }),
        Kind::List(item) => json!({ "type": "array", "items": describe(item, definitions) }),
        Kind::OneOrList(item) => {
            let item = describe(item, definitions);
            json!({ "anyOf": [item, { "type": "array", "items": item }] })
        }
        Kind::Or(kinds) => {
            let forms: Vec<Value> = kinds.iter().map(|kind| describe(kind, definitions)).collect();
            json!({ "anyOf": forms })
        }
    }
}
