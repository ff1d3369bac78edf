//! gRPC through the proxy, with Python's `grpcio` on both ends: all kinds of calls, statuses, and the proxy's own.

use std::process::Command;

use crate::harness::{Proxy, Python, on_workers, python_judge};

const SERVER: &str = include_str!("python/grpc_server.py");
const CLIENT: &str = include_str!("python/grpc_client.py");

#[test]
fn every_kind_of_call_passes_with_its_status() {
    let Some(judge) = python_judge("gRPC") else { return };
    let (_server, port) = Python::serve(&judge, SERVER);
    on_workers(|workers| {
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\n\
             routes: {{ grpc.test: \"h2c://127.0.0.1:{port}\", down.test: \"h2c://127.0.0.1:1\" }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        Python::run(&judge, CLIENT, &[&proxy.address().to_string()]);
        let line = proxy.wait_access(0);
        assert_eq!((line["protocol"].as_str(), line["status"].as_u64()), (Some("HTTP/2.0"), Some(200)));
    });
}

#[test]
fn every_kind_of_call_passes_over_tls() {
    let Some(judge) = python_judge("gRPC over TLS") else { return };
    let (_server, port) = Python::serve(&judge, SERVER);
    on_workers(|workers| {
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", tls: auto }}\nroutes: {{ grpc.test: \"h2c://127.0.0.1:{port}\" }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        let state = proxy.dir().file("state");
        let root = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["trust", "--print", "--state-dir"])
            .arg(&state)
            .output()
            .unwrap();
        assert!(root.status.success());
        let root = state.join("certs/root.crt").display().to_string();
        Python::run(&judge, CLIENT, &[&proxy.address().to_string(), &root]);
        let line = proxy.wait_access(0);
        assert_eq!((line["protocol"].as_str(), line["tls"].as_str()), (Some("HTTP/2.0"), Some("TLSv1.3")));
    });
}
