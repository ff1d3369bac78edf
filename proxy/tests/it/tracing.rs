//! Traces: the context goes on, spans have the right parents, and a receiver that is down costs nothing but spans.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::{Origin, Proxy, Wire, on_workers, poll, python_judge};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A span as a receiver reads it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    status: u64,
    attributes: Vec<(String, String)>,
}

/// The fields of a protobuf message: number, and what stands there.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_first_chunk::<8>().unwrap();
                bytes = rest;
                Field::Number(u64::from_le_bytes(*number))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (inner, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(inner)
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn inner(message: &[u8], number: u64) -> Vec<&[u8]> {
    let bytes = |(at, field)| match field {
        Field::Bytes(bytes) if at == number => Some(bytes),
        Field::Bytes(_) | Field::Number(_) => None,
    };
    fields(message).into_iter().filter_map(bytes).collect()
}

fn number(message: &[u8], number: u64) -> u64 {
    let found = fields(message).into_iter().find_map(|(at, field)| match field {
        Field::Number(value) if at == number => Some(value),
        Field::Bytes(_) | Field::Number(_) => None,
    });
    found.unwrap_or(0)
}

fn hex(bytes: &[&[u8]]) -> String {
    bytes.concat().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(bytes: &[&[u8]]) -> String {
    String::from_utf8(bytes.concat()).unwrap()
}

fn span(message: &[u8]) -> Span {
    let attribute = |message: &&[u8]| {
        let value = inner(message, 2)[0];
        let text = words(&inner(value, 1));
        (words(&inner(message, 1)), if text.is_empty() { number(value, 3).to_string() } else { text })
    };
    assert!(number(message, 8) >= number(message, 7), "it ends before it begins");
    Span {
        trace: hex(&inner(message, 1)),
        id: hex(&inner(message, 2)),
        parent: hex(&inner(message, 4)),
        name: words(&inner(message, 5)),
        kind: number(message, 6),
        status: inner(message, 15).first().map_or(0, |status| number(status, 3)),
        attributes: inner(message, 9).iter().map(attribute).collect(),
    }
}

/// A receiver of OTLP that keeps what it gets.
fn receiver() -> (Origin, Arc<Mutex<Vec<Span>>>) {
    let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
    let kept = Arc::clone(&spans);
    let origin = Origin::start(move |wire: &mut Wire, _| {
        while let Some(request) = wire.request() {
            assert_eq!((request.method(), request.target()), ("POST", "/v1/traces"));
            assert_eq!(request.field("content-type"), Some("application/x-protobuf"));
            for resource in inner(&request.body, 1) {
                for scope in inner(resource, 2) {
                    kept.lock().unwrap().extend(inner(scope, 2).into_iter().map(span));
                }
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (origin, spans)
}

fn wait_for(spans: &Mutex<Vec<Span>>, count: usize) -> Vec<Span> {
    poll("the spans", || {
        let spans = spans.lock().unwrap().clone();
        (spans.len() >= count).then_some(spans)
    })
}

fn configuration(receiver: &str, origin: &str, more: &str) -> String {
    format!(
        "tracing: {{ otlp: \"http://{receiver}\", sample: 100% }}\naccess_log: {{ to: stdout, format: json }}\n\
         routes: {{ a.test/api: \"{origin}\" }}\n{more}"
    )
}

#[test]
fn spans_have_the_right_parents_and_the_context_goes_on() {
    on_workers(|workers| {
        let (receiver, spans) = receiver();
        let origin = Origin::ok();
        let proxy = Proxy::start(workers, &configuration(&receiver.address(), &origin.address(), ""));
        proxy.ask(format!(
            "GET /api/x?token=secret HTTP/1.1\r\nHost: a.test\r\nTraceparent: 00-{TRACE}-{CALLER}-00\r\n\
             tracestate: vendor=1\r\n\r\n"
        ));
        let found = wait_for(&spans, 2);
        let server = found.iter().find(|span| span.kind == 2).unwrap();
        let client = found.iter().find(|span| span.kind == 3).unwrap();
        assert_eq!((&*server.trace, &*server.parent, &*server.name), (TRACE, CALLER, "GET a.test/api"));
        assert_eq!((&*client.trace, &*client.parent), (TRACE, &*server.id));
        let says = |span: &Span, name: &str| span.attributes.iter().find(|(of, _)| of == name).map(|(_, v)| v.clone());
        assert_eq!(says(server, "http.response.status_code").as_deref(), Some("200"));
        assert_eq!(says(server, "url.path").as_deref(), Some("/api/x"));
        assert_eq!(says(client, "server.address"), Some(origin.address()));
        assert!(!format!("{found:?}").contains("secret"), "{found:?}");
        // The endpoint is told of our span; a stranger's word on sampling is not believed, here to record.
        let request = origin.wait_request(0);
        assert_eq!(request.all("traceparent"), [format!("00-{TRACE}-{}-01", client.id)]);
        assert_eq!(request.field("tracestate"), Some("vendor=1"));
        assert_eq!(proxy.wait_access(0)["trace_id"], TRACE);
    });
}

#[test]
fn a_context_that_nobody_can_read_begins_a_trace_and_each_attempt_is_a_span() {
    let (receiver, spans) = receiver();
    let origin = Origin::ok();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(
        1,
        &configuration(&receiver.address(), "api", "")
            .replace("\"api\"", "api")
            .replace("routes:", &format!("upstreams: {{ api: [\"{nobody}\", \"{}\"] }}\nroutes:", origin.address())),
    );
    proxy.ask("GET /api HTTP/1.1\r\nHost: a.test\r\ntraceparent: 00-nonsense-01\r\ntracestate: vendor=1\r\n\r\n");
    let found = wait_for(&spans, 3);
    let server = found.iter().find(|span| span.kind == 2).unwrap();
    assert_eq!((server.trace.len(), &*server.parent), (32, ""));
    let clients: Vec<&Span> = found.iter().filter(|span| span.kind == 3).collect();
    assert_eq!(clients.len(), 2);
    assert!(clients.iter().all(|client| client.parent == server.id && client.trace == server.trace));
    assert_eq!(clients.iter().filter(|client| client.status == 2).count(), 1, "{clients:?}");
    assert!(!origin.wait_request(0).has("tracestate"));
}

#[test]
fn what_a_trusted_peer_decided_holds_and_without_a_receiver_a_context_passes() {
    let (receiver, spans) = receiver();
    let origin = Origin::ok();
    let more = "trusted_proxies: [127.0.0.1]\n";
    let proxy = Proxy::start(1, &configuration(&receiver.address(), &origin.address(), more));
    for flags in ["00", "01"] {
        proxy.ask(format!("GET /api HTTP/1.1\r\nHost: a.test\r\ntraceparent: 00-{TRACE}-{CALLER}-{flags}\r\n\r\n"));
    }
    wait_for(&spans, 2);
    let first = origin.wait_request(0);
    assert!(first.field("traceparent").unwrap().ends_with("-00"), "{first:?}");
    assert!(origin.wait_request(1).field("traceparent").unwrap().ends_with("-01"));
    // Both would have come together.
    assert_eq!(spans.lock().unwrap().len(), 2);

    let plain = Proxy::start(1, &crate::harness::route_to(&origin));
    let context = format!("00-{TRACE}-{CALLER}-01");
    plain.ask(format!("GET /api HTTP/1.1\r\nHost: t.test\r\ntraceparent: {context}\r\n\r\n"));
    assert_eq!(origin.wait_request(2).all("traceparent"), [context]);
}

#[test]
fn a_receiver_that_is_down_costs_spans_and_no_request() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let origin = Origin::ok();
    let more = "admin: 127.0.0.1:0\n";
    let proxy = Proxy::start(1, &configuration(&nobody.to_string(), &origin.address(), more));
    assert_eq!(proxy.get("a.test", "/api").status(), 200);
    poll("the loss to be counted", || {
        let mut wire = Wire::connect(proxy.admin());
        wire.offer("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        wire.response().text().contains("switchboard_trace_spans_dropped_total 2\n").then_some(())
    });
    proxy.wait_log("spans were lost");
}

/// Where the wheel of `rotel` puts its program, printed.
const PLACE: &str = "import rotel, pathlib; print(pathlib.Path(rotel.__file__).parent / 'rotel-agent')";

#[test]
fn a_real_receiver_reads_them() {
    let Some(python) = python_judge("a_real_receiver_reads_them") else { return };
    let place = Command::new(python).args(["-c", PLACE]).output().unwrap();
    assert!(place.status.success(), "no rotel: {}", String::from_utf8_lossy(&place.stderr));
    let program = String::from_utf8(place.stdout).unwrap().trim().to_owned();
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (http, grpc) = (free(), free());
    let mut command = Command::new(program);
    command.args(["start", "--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc]);
    command.args(["--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"]);
    let mut running = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let said: Arc<Mutex<String>> = Arc::default();
    let (out, heard) = (running.stdout.take().unwrap(), Arc::clone(&said));
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            heard.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    poll("the receiver", || std::net::TcpStream::connect(&http).ok());
    let origin = Origin::ok();
    let proxy = Proxy::start(1, &configuration(&http, &origin.address(), ""));
    proxy.ask(format!("GET /api HTTP/1.1\r\nHost: a.test\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\r\n"));
    let found = crate::harness::poll_for(crate::harness::PATIENCE, || {
        let said = said.lock().unwrap().clone();
        [TRACE, CALLER, "GET a.test/api", "switchboard"].iter().all(|part| said.contains(part)).then_some(())
    });
    let _ = running.kill();
    let _ = running.wait();
    assert!(found.is_some(), "{}", said.lock().unwrap());
}
