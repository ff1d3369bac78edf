//! Private names: certificates of the proxy's own authority, made at the first handshake.

use super::client::{certificate, get, handshake};
use crate::harness::{Proxy, on_workers, poll, run};

const LISTEN: &str = "listen:\n  - {bind: 127.0.0.1:0, name: public, tls: auto}\n";

#[test]
fn private_names_of_routes_get_a_certificate_at_the_first_handshake() {
    on_workers(|workers| {
        let routes = "routes: {x.localhost: {respond: x}, '*.test': {respond: under}, 127.0.0.1: {respond: ip}, nas: {respond: nas}}";
        let proxy = Proxy::start(workers, &format!("{LISTEN}{routes}\n"));
        let at = proxy.address();
        let root = proxy.dir().file("state/certs/root.crt");
        assert!(!root.exists(), "the root is made at first need");
        assert!(certificate(at, "x.localhost").is_some());
        for (host, body) in [("x.localhost", "x"), ("a.b.test", "under"), ("127.0.0.1", "ip"), ("nas", "nas")] {
            assert_eq!(get(&root, host, at).as_deref(), Ok(body), "{host}");
        }
        // One leaf for each name, of a week, kept; browsers refuse wildcards below localhost.
        let leaf = certificate(at, "x.localhost").unwrap();
        assert_eq!(Some(&leaf), certificate(at, "x.localhost").as_ref());
        assert_ne!(Some(&leaf), certificate(at, "y.test").as_ref());
        let shown =
            handshake(at, &["-servername", "x.localhost", "-CAfile", root.to_str().unwrap(), "-verify_return_error"]);
        assert!(shown.contains("Verify return code: 0 (ok)"), "{shown}");
    });
}

#[test]
fn case_162_names_that_no_route_knows_get_nothing() {
    let proxy = Proxy::start(2, &format!("{LISTEN}routes: {{x.localhost: {{respond: x}}}}\n"));
    for name in ["y.localhost", "localhost", "x.x.localhost", "nas", "8.8.8.8.localhost", "example.com"] {
        let shown = handshake(proxy.address(), &["-servername", name]);
        assert!(!shown.contains("BEGIN CERTIFICATE"), "{name}: {shown}");
    }
    assert!(!proxy.dir().file("state/certs").exists(), "nothing was made for them");
    // A route that is added brings its certificate, and none of the others lose theirs.
    let leaf = certificate(proxy.address(), "x.localhost");
    proxy.write_config(&format!("{LISTEN}routes: {{x.localhost: {{respond: x}}, y.localhost: {{respond: y}}}}\n"));
    poll("a certificate for the new route", || certificate(proxy.address(), "y.localhost"));
    assert_eq!(certificate(proxy.address(), "x.localhost"), leaf);
    // So does one that is registered, and it is gone with it.
    let route = |arguments: &[&str]| {
        let output = run(proxy.dir().path(), &[&["route"], arguments, &["-c", "switchboard.yaml"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    route(&["add", "z.localhost", ":9"]);
    poll("a certificate for the registered route", || certificate(proxy.address(), "z.localhost"));
    route(&["remove", "z.localhost"]);
    poll("z.localhost to be unknown", || certificate(proxy.address(), "z.localhost").is_none().then_some(()));
    // One that is gone gets no handshake any more.
    proxy.write_config(&format!("{LISTEN}routes: {{y.localhost: {{respond: y}}}}\n"));
    poll("x.localhost to be unknown", || certificate(proxy.address(), "x.localhost").is_none().then_some(()));
}
