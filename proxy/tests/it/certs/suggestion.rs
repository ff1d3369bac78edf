//! Renewals that the authority asks for (ARI, RFC 9773). Debian's pebble knows nothing of them, so a front of a few lines
//! stands before it: it adds `renewalInfo` to the directory, answers that, and passes everything else on.

use super::acme::{pair, wait_certificate};
use super::client::certificate;
use super::has_judge;
use super::pebble::Pebble;
use crate::harness::{Python, TempDir, poll, python_judge};
use std::path::Path;

/// The first certificate it is asked about should have been renewed an hour ago; of all others it would rather see none
/// for ten years. It writes down what it is asked about, and what new orders say that they replace.
const FRONT: &str = r#"
import base64, http.client, http.server, json, ssl, time

PEBBLE, AUTHORITY, CERTIFICATE, KEY, SEEN = @arguments
trusted = ssl.create_default_context(cafile=AUTHORITY)
asked = []

def note(line):
    with open(SEEN, "a") as seen:
        seen.write(line + "\n")

def replaced(body):
    payload = json.loads(body)["payload"] if body else ""
    return json.loads(base64.urlsafe_b64decode(payload + "==")).get("replaces") if payload else None

class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/renewal/"):
            asked.append(self.path.removeprefix("/renewal/"))
            note("asked " + asked[-1])
            start = time.time() + (-7200 if asked[-1] == asked[0] else 3650 * 86400)
            window = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + more)) for name, more in [("start", 0), ("end", 3600)]}
            return self.answer(200, [("Retry-After", "21600")], json.dumps({"suggestedWindow": window}).encode())
        inner = http.client.HTTPSConnection("127.0.0.1", PEBBLE, context=trusted)
        inner.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            inner.putheader(name, value)
        inner.endheaders(body)
        answer = inner.getresponse()
        text = answer.read()
        if self.path == "/dir":
            text = json.dumps(json.loads(text) | {"renewalInfo": f"https://{self.headers['host']}/renewal"}).encode()
        elif answer.status == 201 and (old := replaced(body)):
            note("replaces " + old)
            text = json.dumps(json.loads(text) | {"replaces": old}).encode()
        dropped = {"content-length", "transfer-encoding", "connection"}
        self.answer(answer.status, [field for field in answer.getheaders() if field[0].lower() not in dropped], text)

    def answer(self, status, fields, text):
        self.send_response(status)
        for name, value in [*fields, ("Content-Length", str(len(text)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = serve

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
own.load_cert_chain(CERTIFICATE, KEY)
server.socket = own.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// Compares what the front has seen with the name that RFC 9773 §4.1 gives to the first certificate, read by OpenSSL.
const COMPARE: &str = r#"
import base64, subprocess, sys

certificate, seen = sys.argv[1:]
shown = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-serial", "-ext", "authorityKeyIdentifier"], check=True, capture_output=True, text=True).stdout
serial = int(shown.split("serial=")[1].split()[0], 16)
key = bytes.fromhex(shown.split("Identifier:")[1].strip().removeprefix("keyid:").split()[0].replace(":", ""))
name = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (key, serial.to_bytes(serial.bit_length() // 8 + 1, "big")))
lines = open(seen).read().split("\n")
assert lines[:2] == ["asked " + name, "replaces " + name], (name, lines)
assert lines[2].startswith("asked ") and lines[2] != lines[0], lines
"#;

#[test]
fn the_authority_may_ask_for_an_early_renewal_and_not_for_a_late_one() {
    let test = "the_authority_may_ask_for_an_early_renewal_and_not_for_a_late_one";
    let (true, Some(judge)) = (has_judge("pebble", test), python_judge(test)) else { return };
    let dir = TempDir::new();
    let (seen, name) = (dir.file("seen"), "ari.example.com");
    let mut pebble = Pebble::new(86_400, None);
    let proxy = pair(2, &mut pebble);
    let files = ["ca.pem", "own.pem", "own.key"].map(|file| pebble.file(file));
    let [authority, certificate_file, key] = files.each_ref().map(|file| file.display());
    let arguments =
        format!("{}, {authority:?}, {certificate_file:?}, {key:?}, {:?}", pebble.port(), seen.display().to_string());
    let (_front, port) = Python::serve(&judge, &FRONT.replace("@arguments", &arguments));
    proxy.write_config(&format!(
        "{}acme: {{directory: \"https://127.0.0.1:{port}/dir\", ca: {authority}, challenges: [tls-alpn-01]}}\nroutes: {{{name}: {{respond: a}}}}\n",
        super::acme::LISTEN,
    ));
    let first = wait_certificate(&proxy, name, None);
    let second = wait_certificate(&proxy, name, Some(&first));
    assert!(proxy.wait_log("would like the certificate").contains(name));
    poll("a question about the second", || (lines(&seen) >= 3).then_some(()));
    let kept = dir.write("first.pem", &format!("{first}-----END CERTIFICATE-----\n"));
    Python::run(&judge, COMPARE, &[kept.to_str().unwrap(), seen.to_str().unwrap()]);
    assert_eq!(certificate(proxy.address_of("public"), name), Some(second), "ten years are too late");
    proxy.stop();
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
}
