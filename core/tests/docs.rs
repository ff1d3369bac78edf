//! Holds the documents to the code: tables that are made from it are fresh, configurations in them are valid.
//!
//! `UPDATE_DOCS=1 cargo test -p switchboard-core --test docs` writes the tables anew; without it nothing is written.
#![cfg(test)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use switchboard_core::answer::words;
use switchboard_core::config::{Source, json_schema, load_bytes};
use switchboard_core::http1::{ChunkError, HeadError};
use switchboard_core::reason::Reason;

#[test]
fn the_table_of_reasons_is_fresh() {
    let mut table = "| code | status | what happened | what to look at |\n|---|---|---|---|\n".to_owned();
    for reason in Reason::ALL {
        let words = words(reason);
        writeln!(table, "| `{}` | {} | {} | {} |", reason.code(), reason.status(), words.what, words.look).unwrap();
    }
    fresh("docs/errors.md", "reasons", &table);
}

#[test]
fn the_table_of_details_is_fresh() {
    let mut table = "| reason | detail |\n|---|---|\n".to_owned();
    let heads = HeadError::ALL.iter().map(|error| (error.reason(), error.detail()));
    let bodies = ChunkError::ALL.iter().map(|error| (error.reason(), error.detail()));
    for (reason, detail) in heads.chain(bodies) {
        writeln!(table, "| `{}` | {} |", reason.code(), detail.replace('|', "\\|")).unwrap();
    }
    fresh("docs/errors.md", "details", &table);
}

#[test]
fn the_tables_of_keys_are_fresh() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    let mut tables = String::new();
    keys(&mut tables, "The file", &schema["properties"]);
    for (title, name) in OBJECTS {
        keys(&mut tables, title, &schema["$defs"][name]["properties"]);
    }
    let described =
        schema["$defs"].as_object().unwrap().keys().all(|name| OBJECTS.iter().any(|(_, known)| known == name));
    assert!(
        described,
        "the schema has an object that is not in OBJECTS: {:?}",
        schema["$defs"].as_object().unwrap().keys()
    );
    fresh("docs/configuration.md", "keys", &tables);
}

/// The objects of the language in the order of the document, with their titles.
const OBJECTS: &[(&str, &str)] = &[
    ("A listener: `listen`", "listener"),
    ("`timeouts` of a listener", "listener_timeouts"),
    ("`tls` of a listener", "listener_tls"),
    ("`tls` of a host, on a listener", "host_tls"),
    ("A certificate, in `tls`", "certificate"),
    ("HTTP/2: `http2`", "http2"),
    ("A rule: `routes`", "rule"),
    ("A condition: `when`", "condition"),
    ("`share` in a condition", "share"),
    ("A form of text, in a condition", "text_form"),
    ("A form of path, in a condition", "path_form"),
    ("`tls` in a condition", "tls_form"),
    ("`paths` of a rule", "paths"),
    ("`timeouts` of a rule", "rule_timeouts"),
    ("`on_remove` of a rule", "on_remove"),
    ("`retry` of a rule", "retry"),
    ("`wait` of a rule", "wait"),
    ("`rate_limit`", "rate_limit"),
    ("`concurrency`", "concurrency"),
    ("The key of a limit", "limit_key"),
    ("`store` of a limit", "store"),
    ("`websocket` of a rule", "websocket"),
    ("A size for each side, in `websocket`", "sides_size"),
    ("A rate for each side, in `websocket`", "sides_rate"),
    ("`max_tunnels`, in `websocket`", "max_tunnels"),
    ("`sse` of a rule", "sse"),
    ("`max_streams`, in `sse`", "max_streams"),
    ("`resume`, in `sse`", "resume"),
    ("`key` of `resume`", "session_key"),
    ("`client_cert`", "client_cert"),
    ("`basic_auth`", "basic_auth"),
    ("`api_keys`", "api_keys"),
    ("`forward_auth`", "forward_auth"),
    ("`detect`", "detect"),
    ("`mirror` of a rule", "mirror"),
    ("`jwt`", "jwt"),
    ("Where a token stands, in `jwt`", "token_place"),
    ("`auth`", "auth"),
    ("`request_headers` and `response_headers`", "header_edits"),
    ("`security_headers`", "security_headers"),
    ("`cors`", "cors"),
    ("`cookies`", "cookie_flags"),
    ("`rewrite` of a rule", "rewrite"),
    ("`query` of a rule", "query_edits"),
    ("A named policy: `policies`", "policies"),
    ("An upstream: `upstreams`", "upstream"),
    ("`tls` of an upstream", "upstream_tls"),
    ("An endpoint", "endpoint"),
    ("`balance` of an upstream", "balance_hash"),
    ("What a hash is of", "hash_key"),
    ("`sticky` of an upstream", "sticky"),
    ("`limits` of an upstream", "upstream_limits"),
    ("`pool` of an upstream", "pool"),
    ("`health` of an upstream", "health"),
    ("`http` of `health`", "http_check"),
    ("`ws` of `health`", "ws_check"),
    ("`tcp` of `health`", "tcp_check"),
    ("`grpc` of `health`", "grpc_check"),
    ("`match` of a check", "match"),
    ("`outlier` of an upstream", "outlier"),
    ("`cache` of a rule", "cache"),
    ("The `key` of `cache`", "cache_key"),
    ("The store of answers: `cache` of the file", "cache_store"),
    ("`files` of a rule", "files"),
    ("`compress`", "compress"),
    ("`forwarded`", "forwarded"),
    ("`timeouts`", "timeouts"),
    ("`limits`", "limits"),
    ("`drain`", "drain"),
    ("`acme`", "acme"),
    ("`eab` of `acme`", "eab"),
    ("`access_log`", "access_log"),
    ("`log`", "log"),
    ("`dns`", "dns"),
    ("`redis`", "redis"),
    ("`admin`", "admin"),
    ("`registry`", "registry"),
    ("`tracing`", "tracing"),
    ("`defaults`", "defaults"),
];

fn keys(tables: &mut String, title: &str, properties: &serde_json::Value) {
    writeln!(tables, "### {title}\n\n| key | means |\n|---|---|").unwrap();
    for (key, property) in properties.as_object().unwrap_or_else(|| panic!("{title} has no keys")) {
        let doc = property["description"].as_str().unwrap_or_default().replace('|', "\\|");
        writeln!(tables, "| `{key}` | {doc} |").unwrap();
    }
    tables.push('\n');
}

#[test]
fn configurations_in_the_documents_are_valid() {
    let mut wrong = Vec::new();
    let mut documents: Vec<PathBuf> = fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    documents.push(root().join("README.md"));
    documents.sort();
    let mut count = 0;
    for path in documents.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        for (block, line) in blocks(&fs::read_to_string(path).unwrap()) {
            count += 1;
            let loaded = load_bytes(
                &PathBuf::from(format!("{}, block at line {line}", path.display())),
                block.as_bytes(),
                &mut Examples,
            );
            wrong.extend(loaded.config.err().into_iter().flatten().map(|error| error.rendered()));
        }
    }
    assert!(count > 10, "only {count} configurations were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The files beside the examples, which is where those that documents name stand; no environment.
struct Examples;

impl Source for Examples {
    fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let name = path.file_name().ok_or("no file")?;
        let mut bytes = fs::read(root().join("examples/files").join(name)).map_err(|error| error.to_string())?;
        bytes.truncate(limit);
        Ok(bytes)
    }

    fn glob(&mut self, _: &Path) -> Result<Vec<PathBuf>, String> {
        Err("documents include no files".to_owned())
    }

    fn env(&mut self, _: &str) -> Option<String> {
        None
    }
}

/// The `yaml` blocks of a document, with the line on which each begins.
fn blocks(text: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        match line {
            "```yaml" => {
                inside = true;
                found.push((String::new(), at + 2));
            }
            "```" => inside = false,
            _ if inside => {
                if let Some((block, _)) = found.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            _ => {}
        }
    }
    found
}

/// Compares the part of a document between its two marks with what the code says; writes it where asked to.
fn fresh(document: &str, part: &str, table: &str) {
    // Two tests may write parts of one document.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let path = root().join(document);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{document} has no {begin}"));
    let (found, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{document} has no {end}"));
    let wanted = format!("\n{}\n\n", table.trim_end());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
    } else {
        let how = "UPDATE_DOCS=1 cargo test -p switchboard-core --test docs";
        assert!(found == wanted, "the {part} of {document} are not what the code says; run {how}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
