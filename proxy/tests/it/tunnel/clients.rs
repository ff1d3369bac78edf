//! WebSocket as others speak it: clients and servers that people use, on both sides of the proxy, with nothing configured and with
//! every frame held to RFC 6455.

use crate::harness::{Node, PATIENCE, Proxy, Python, browser_judge, poll_for, python_judge, websocket_judge};

const SERVERS: &str = include_str!("../node/servers.cjs");
const CLIENTS: &str = include_str!("../node/clients.cjs");

#[test]
fn clients_of_node_and_a_browser_are_content() {
    let test = "WebSocket clients that people use";
    let Some(judge) = websocket_judge(test) else { return };
    let browser = browser_judge(test).is_some();
    let servers = Node::run(&judge, SERVERS, &[]);
    let ports: serde_json::Value = serde_json::from_str(&servers.wait_line(0)).unwrap();
    for strict in [false, true] {
        let route = |key: &str, port: &str| {
            format!("  \"*{key}\": {{ to: \"127.0.0.1:{}\", websocket: {{ strict: {strict} }} }}\n", ports[port])
        };
        let routes =
            [route("/ws", "ws"), route("/socket.io", "io"), route("/graphql", "graphql"), route("/mqtt", "mqtt")];
        let proxy = Proxy::start(2, &format!("routes:\n{}", routes.concat()));
        let authority = format!("127.0.0.1:{}", proxy.port());
        let mut arguments = vec![authority.as_str()];
        if browser {
            arguments.push("browser");
        }
        let clients = Node::run(&judge, CLIENTS, &arguments);
        let mut said = Vec::new();
        poll_for(4 * PATIENCE, || {
            said.extend(clients.line(said.len()));
            said.last().is_some_and(|line| line == "done" || line.starts_with("failed")).then_some(())
        });
        assert_eq!(said.last().map(String::as_str), Some("done"), "strict: {strict}; {said:?}");
        assert_eq!(said.len(), if browser { 6 } else { 5 }, "{said:?}");
        // The log tells who closed, and how.
        let mut lines = proxy.access();
        poll_for(PATIENCE, || {
            lines = proxy.access();
            lines.iter().any(|line| line["close_code"] == 4000).then_some(())
        });
        let own = lines.iter().find(|line| line["close_code"] == 4000).expect("the line of ws");
        assert_eq!(
            (&own["messages_in"], &own["messages_out"], &own["closed_by"]),
            (&7.into(), &7.into(), &"client".into())
        );
        assert!(own["pong_ms"].is_number() && own["frame_faults"].is_null(), "{own}");
    }
}

#[test]
fn pythons_websockets_is_content() {
    let Some(judge) = python_judge("Python's websockets") else { return };
    let (_server, port) = Python::serve(&judge, include_str!("python/server.py"));
    for strict in [false, true] {
        let rule = format!("routes:\n  \"*\": {{ to: \"127.0.0.1:{port}\", websocket: {{ strict: {strict} }} }}\n");
        let proxy = Proxy::start(2, &rule);
        Python::run(&judge, include_str!("python/client.py"), &[&proxy.port().to_string()]);
        let line = proxy.wait_access_of("/ws");
        assert_eq!((&line["messages_in"], &line["close_code"]), (&8.into(), &4001.into()), "{line}");
    }
}
