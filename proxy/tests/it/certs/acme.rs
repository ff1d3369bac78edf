//! Public names: real orders at a real ACME server, through the real binary.

use super::client::{certificate, get, handshake};
use super::has_judge;
use super::pebble::Pebble;
use crate::harness::{Origin, Proxy, TempDir, on_workers, poll};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

pub(super) const LISTEN: &str =
    "listen:\n  - {bind: 127.0.0.1:0, name: plain}\n  - {bind: 127.0.0.1:0, name: public, tls: auto}\n";

/// The key of an account at an authority that wants to know its customers.
const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// A configuration with routes; `acme` is what stands in `acme:` besides where the server is.
fn config(pebble: &Pebble, acme: &str, routes: &str) -> String {
    format!("{LISTEN}acme: {{{}, {acme}}}\nroutes: {{{routes}}}\n", pebble.settings())
}

/// A proxy that knows no public name yet, and the server that looks for proofs on its ports.
pub(super) fn pair(workers: usize, pebble: &mut Pebble) -> Proxy {
    let proxy =
        Proxy::start(workers, &config(pebble, "challenges: [tls-alpn-01, http-01]", "x.localhost: {respond: x}"));
    pebble.start(proxy.address_of("plain").port(), proxy.address_of("public").port());
    proxy
}

/// Waits until a name is shown a certificate that isn't `other`.
pub(super) fn wait_certificate(proxy: &Proxy, name: &str, other: Option<&str>) -> String {
    let at = proxy.address_of("public");
    poll(&format!("a certificate for {name}"), || certificate(at, name).filter(|found| Some(&**found) != other))
}

/// Lets a proxy use a state directory that outlives it.
fn on_state<'a>(state: &'a TempDir) -> impl FnOnce(&mut Command) + 'a {
    |command| {
        let config = Path::new(command.get_args().last().unwrap()).to_owned();
        symlink(state.path(), config.with_file_name("state")).unwrap();
    }
}

#[test]
fn orders_by_both_challenges_for_the_names_of_routes() {
    if !has_judge("pebble", "orders_by_both_challenges_for_the_names_of_routes") {
        return;
    }
    on_workers(|workers| {
        let mut pebble = Pebble::new(86_400, None);
        let proxy = pair(workers, &mut pebble);
        let at = proxy.address_of("public");
        let mut routes = String::from("x.localhost: {respond: x}");
        for (challenge, name) in [("tls-alpn-01", "alpn.example.com"), ("http-01", "http.example.com")] {
            routes.push_str(&format!(", {name}: {{respond: {challenge}}}"));
            proxy.write_config(&config(&pebble, &format!("challenges: [{challenge}]"), &routes));
            wait_certificate(&proxy, name, None);
            assert_eq!(get(&pebble.root(), name, at).as_deref(), Ok(challenge));
            assert!(proxy.log().iter().any(|line| line.contains(&format!("certificate for {name} from Pebble"))));
        }
        let proofs = proxy.access().into_iter().filter(|line| line["reason"] == "acme_challenge");
        assert!(proofs.clone().count() > 0 && proofs.into_iter().all(|line| line["sni"].is_null()));
        assert!(
            proxy.access().iter().all(|line| line["reason"] != "acme_challenge" || line["host"] != "alpn.example.com")
        );
        // The private name next to them is still our own authority's.
        assert!(handshake(at, &["-servername", "x.localhost"]).contains("Switchboard local root"));
        case_172_to_174_without_a_pending_order(&proxy);
        for kept in poll_files(&proxy.dir().file("state/certs")) {
            let mode = std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "case 175: {} has mode {mode:o}", kept.display());
            assert!(!proxy.log().concat().contains("PRIVATE KEY"));
        }
        proxy.stop();
    });
}

fn poll_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { poll_files(&path) } else { vec![path] }).collect()
}

/// Once nothing is pending, the paths and the protocol of challenges are ordinary again.
fn case_172_to_174_without_a_pending_order(proxy: &Proxy) {
    let ask = |host: &str, path: &str| proxy.get(host, path);
    let path = "/.well-known/acme-challenge/abc_DEF-123";
    let location = ask("http.example.com", path).field("location").map(str::to_owned);
    assert!(location.is_some_and(|to| to.ends_with(path)), "case 172: as any request, redirected to https");
    assert_eq!(ask("nobody.example.com", path).status(), 404, "case 173");
    let shown = handshake(proxy.address_of("public"), &["-servername", "alpn.example.com", "-alpn", "acme-tls/1"]);
    assert!(!shown.contains("BEGIN CERTIFICATE") && shown.contains("alert"), "case 174: {shown}");
}

#[test]
fn renews_in_time_and_keeps_what_it_has_while_the_authority_is_down() {
    if !has_judge("pebble", "renews_in_time_and_keeps_what_it_has_while_the_authority_is_down") {
        return;
    }
    let mut pebble = Pebble::new(12, None);
    let proxy = pair(2, &mut pebble);
    let (http, tls) = (proxy.address_of("plain").port(), proxy.address_of("public").port());
    proxy.write_config(&config(&pebble, "challenges: [tls-alpn-01]", "a.example.com: {respond: a}"));
    let first = wait_certificate(&proxy, "a.example.com", None);
    let second = wait_certificate(&proxy, "a.example.com", Some(&first));
    pebble.stop();
    let said = proxy.wait_log("can't be reached");
    assert!(said.contains("certificate for a.example.com") && said.contains("next try in"), "{said}");
    assert_eq!(certificate(proxy.address_of("public"), "a.example.com"), Some(second.clone()), "it stays in hand");
    // Another start knows neither the account nor the order: both are made anew.
    pebble.start(http, tls);
    wait_certificate(&proxy, "a.example.com", Some(&second));
    proxy.stop();
}

#[test]
fn asks_before_it_orders_for_a_name_under_a_wildcard() {
    if !has_judge("pebble", "asks_before_it_orders_for_a_name_under_a_wildcard") {
        return;
    }
    let mut pebble = Pebble::new(86_400, Some(KEY));
    let proxy = pair(2, &mut pebble);
    let asked = Origin::start(|wire, _| {
        while let Some(request) = wire.request() {
            let status = if request.target() == "/may?domain=good.p.example.com" { "200 OK" } else { "403 Forbidden" };
            wire.offer(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    // An authority that wants to know its customers says so, in words that name the key.
    proxy.write_config(&config(&pebble, "challenges: [tls-alpn-01]", "only.example.com: {respond: o}"));
    proxy.wait_log("set acme.eab");
    let ask = format!(
        "challenges: [tls-alpn-01], eab: {{kid: customer, key: {KEY}}}, ask: \"http://{}/may\"",
        asked.address()
    );
    proxy.write_config(&config(&pebble, &ask, "'*.p.example.com': {respond: p}, only.example.com: {respond: o}"));
    wait_certificate(&proxy, "only.example.com", None);
    let at = proxy.address_of("public");
    // The handshake that brings the name waits for its certificate.
    assert_eq!(get(&pebble.root(), "good.p.example.com", at).as_deref(), Ok("p"));
    for name in ["bad.p.example.com", "p.example.com", "other.example.com"] {
        assert_eq!(certificate(at, name), None, "{name}");
    }
    assert_eq!(asked.requests().len(), 2, "case 162: it is asked about names under the wildcard alone, once each");
    let orders = pebble.log().matches("There are now").count();
    assert_eq!(certificate(at, "bad.p.example.com"), None);
    assert_eq!(pebble.log().matches("There are now").count(), orders, "nothing was ordered for a no");
    proxy.stop();
}

#[test]
fn a_crash_between_order_and_store_loses_nothing() {
    if !has_judge("pebble", "a_crash_between_order_and_store_loses_nothing") {
        return;
    }
    let state = TempDir::new();
    let mut pebble = Pebble::new(86_400, None);
    let none = config(&pebble, "challenges: [http-01]", "x.localhost: {respond: x}");
    let routes = config(&pebble, "challenges: [http-01]", "k.example.com: {respond: k}");
    let mut proxy = Proxy::start_with(1, &none, on_state(&state));
    pebble.start(proxy.address_of("plain").port(), proxy.address_of("public").port());
    proxy.write_config(&routes);
    let place = poll("an account", || {
        let found = std::fs::read_dir(state.file("certs/acme")).ok()?.next()?.ok()?.path();
        found.join("k.example.com/order.pem").exists().then(|| found.join("k.example.com"))
    });
    let pid = rustix::process::Pid::from_raw(proxy.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    proxy.wait_exit();
    assert!(!place.join("certificate.pem").exists(), "it was killed too late to show anything");
    drop(proxy);
    // The second start finishes the first one's order, although its own ports answer no challenge.
    let proxy = Proxy::start_with(1, &routes, on_state(&state));
    wait_certificate(&proxy, "k.example.com", None);
    proxy.wait_log("left unfinished is taken up");
    assert!(!place.join("order.pem").exists());
    // What is stored is used by the next start, and what is damaged is ordered again; here nobody could prove anything.
    proxy.stop();
    let stored = std::fs::read(place.join("certificate.pem")).unwrap();
    pebble.stop();
    let proxy = Proxy::start_with(1, &routes, on_state(&state));
    wait_certificate(&proxy, "k.example.com", None);
    proxy.stop();
    std::fs::write(place.join("certificate.pem"), &stored[..stored.len() / 2]).unwrap();
    let proxy = Proxy::start_with(1, &routes, on_state(&state));
    proxy.wait_log("is damaged");
    assert!(place.join("certificate.pem.damaged").exists());
    assert_eq!(certificate(proxy.address_of("public"), "k.example.com"), None);
    // Two proxies don't share a state directory.
    let mut other = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let output = other.args(["run", "-c"]).arg(proxy.config()).output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("belongs to a running proxy"));
    proxy.stop();
}
