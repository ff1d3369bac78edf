//! What can be changed and asked at run time besides routes: endpoints of an upstream, one exchange, an explanation.

use std::process::Command;

use super::{ADMIN, ask, change, json};
use crate::harness::{Origin, Proxy, on_workers, poll};

/// Runs the command line against a proxy.
fn command(proxy: &Proxy, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).args(["--state-dir", &proxy.dir().file("state").display().to_string()]);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn endpoints_come_and_go_and_a_reload_keeps_that() {
    on_workers(|workers| {
        let (one, two) = (Origin::named("one"), Origin::named("two"));
        let yaml = |more: &str| {
            format!(
                "{ADMIN}upstreams: {{ api: {{ endpoints: [\"{}\"] }} }}\nroutes: {{ t.test: api }}\n{more}",
                one.address()
            )
        };
        let proxy = Proxy::start(workers, &yaml(""));
        assert_eq!(proxy.get("t.test", "/").text(), "one");
        let body = format!("{{\"address\": \"{}\", \"weight\": 2}}", two.address());
        let added = change(&proxy, "POST /v1/upstreams/api/endpoints", &body);
        assert_eq!((added.status(), json(&added)["weight"].clone()), (201, 2.into()), "{}", added.text());
        assert_eq!(change(&proxy, "POST /v1/upstreams/api/endpoints", &body).status(), 409);
        let seen = || (0..12).map(|_| proxy.get("t.test", "/").text()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(seen().len(), 2);
        proxy.write_config(&yaml("drain: { http: 20s }\n"));
        assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
        assert_eq!(seen().len(), 2, "a reload keeps what was added");
        let path = |origin: &Origin| format!("DELETE /v1/upstreams/api/endpoints/{}", origin.address());
        assert_eq!(change(&proxy, &path(&one), "").status(), 200);
        assert_eq!(seen().into_iter().collect::<Vec<_>>(), ["two"]);
        assert_eq!(change(&proxy, &path(&two), "").status(), 409, "the last one stays");
        assert_eq!(change(&proxy, "POST /v1/upstreams/none/endpoints", &body).status(), 404);
        assert_eq!(change(&proxy, "POST /v1/upstreams/api/endpoints", "{\"address\": \"a b\"}").status(), 422);
        assert_eq!(ask(&proxy, &path(&one), &[]).status(), 401, "without the token nothing changes");
    });
}

#[test]
fn endpoints_that_came_and_went_stay_so_through_a_kill_and_a_new_start() {
    let (one, two) = (Origin::named("one"), Origin::named("two"));
    let mut proxy = Proxy::start(
        1,
        &format!("{ADMIN}upstreams: {{ api: {{ endpoints: [\"{}\"] }} }}\nroutes: {{ t.test: api }}\n", one.address()),
    );
    let (first, second) = (one.address().to_string(), two.address().to_string());
    let text = std::fs::read_to_string(proxy.config()).unwrap();
    let body = format!("{{\"address\": \"{second}\"}}");
    let dry = change(&proxy, "POST /v1/upstreams/api/endpoints?dry_run=true", &body);
    assert_eq!((dry.status(), &json(&dry)["dry_run"]), (200, &true.into()));
    assert!(!command(&proxy, &["endpoint", "list"]).1.contains(&second), "a dry run changes nothing");
    let said = command(&proxy, &["endpoint", "add", "api", &second, "--weight", "3", "--sync"]);
    assert!(said.0 == 0 && said.1.contains("weight 3"), "{said:?}");
    assert_eq!(command(&proxy, &["endpoint", "remove", "api", &first]), (0, format!("removed {first}\n")));
    proxy.signal("KILL");
    proxy.wait_exit();
    let again = Proxy::start_with(1, ADMIN, |command| {
        // The state directory is the first one's, which lives as long as `proxy`.
        std::fs::write(command.get_args().last().unwrap(), &text).unwrap();
    });
    (0..4).for_each(|_| assert_eq!(again.get("t.test", "/").text(), "two"));
    let listed = json(&ask(&again, "GET /v1/upstreams", &[]));
    assert_eq!((&listed["endpoints"][0]["source"], &listed["endpoints"][0]["weight"]), (&"registry".into(), &3.into()));
    assert_eq!(listed["removed"][0]["endpoint"], first);
    // The file's own comes back as the file has it; what the file does itself is no change any more. The commands find the
    // proxy by the state directory of the first.
    assert_eq!(command(&proxy, &["endpoint", "add", "api", &first]).0, 0);
    let both = text.replace(&format!("[\"{first}\"]"), &format!("[\"{first}\", \"{second}\"]"));
    std::fs::write(again.config(), both).unwrap();
    assert_eq!(command(&proxy, &["reload"]).0, 0);
    let listed = json(&ask(&again, "GET /v1/upstreams", &[]));
    let sources: Vec<_> = listed["endpoints"].as_array().unwrap().iter().map(|one| one["source"].clone()).collect();
    assert_eq!((sources, &listed["removed"]), (vec!["file".into(); 2], &serde_json::json!([])));
}

#[test]
fn a_command_sets_the_state_of_an_endpoint_and_its_weight() {
    let proxy = Proxy::start(1, "upstreams: { api: { endpoints: [\":9\", \":10\"] } }\nroutes: { t.test: api }\n");
    for (arguments, code, expect) in [
        (&["endpoint", "set", "api", ":9", "--state", "drain"][..], 0, "api  :9  drain"),
        (&["endpoint", "set", "api", ":9", "--state", "ready", "--weight", "4"], 0, "api  :9  up  weight 4"),
        (&["endpoint", "set", "api", ":9", "--weight", "file"], 0, "weight 1"),
        (&["endpoint", "set", "api", ":11", "--state", "maint"], 1, "no endpoint :11 in api"),
        (&["endpoint", "set", "api", ":9"], 2, "<--state <ready|drain|maint>|--weight <N|file>>"),
        (&["endpoint", "add", "api", ":9"], 1, ":9 is an endpoint of api already"),
        (&["endpoint", "add", "web", ":9"], 1, "names no upstream web"),
        (&["endpoint", "remove", "api", ":9", "--dry-run"], 0, "would remove :9"),
        (&["endpoint", "list", "api"], 0, "UPSTREAM  ENDPOINT  STATE  SOURCE  WEIGHT  IN_FLIGHT\n"),
        (&["endpoint", "ls", "api"], 0, "\napi       :10       up     file    1       0\n"),
        (&["endpoint", "list", "api", "--json"], 0, "\"endpoint\": \":10\""),
        (&["endpoint", "list", "web"], 1, "no endpoint of an upstream web is known"),
    ] {
        let (found, said) = command(&proxy, arguments);
        assert!(found == code && said.contains(expect), "{arguments:?}: {found} {said}");
    }
}

#[test]
fn an_exchange_is_explained_by_its_id() {
    let origin = Origin::ok();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let routes = format!("routes: {{ t.test: \"{}\", down.test: \"{nobody}\" }}\n", origin.address());
    let proxy = Proxy::start(1, &format!("{ADMIN}{routes}"));
    let refused = proxy.get("down.test", "/x?token=secret");
    let id = refused.field("x-request-id").unwrap().to_owned();
    let found = poll("it to be noted", || {
        let answer = ask(&proxy, &format!("GET /v1/exchanges/{id}"), &[]);
        (answer.status() == 200).then(|| json(&answer))
    });
    assert_eq!((&found["reason"], &found["route"]), (&"connect_refused".into(), &"down.test".into()));
    assert!(!found.to_string().contains("secret"));
    let (code, said) = command(&proxy, &["explain", "--id", &id]);
    assert_eq!(code, 0, "{said}");
    for part in ["GET down.test/x", &id, "502", "connect_refused", &nobody.to_string()] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // Nor what some clients write before the host, which is refused.
    for (target, host) in [("http://ann:secret@t.test/x", "t.test"), ("/x", "ann:secret@t.test")] {
        assert_eq!(proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).status(), 400);
    }
    let all = poll("both to be noted", || {
        let all = json(&ask(&proxy, "GET /v1/exchanges", &[]));
        all["failures"][2].is_object().then(|| all.to_string())
    });
    assert!(!all.contains("secret") && !format!("{:?}", proxy.access()).contains("secret"), "{all}");
    // One in sixty-four of what goes well.
    for _ in 0..64 {
        assert_eq!(proxy.get("t.test", "/ok").status(), 200);
    }
    let all = json(&ask(&proxy, "GET /v1/exchanges", &[]));
    assert_eq!(all["sample"][0]["status"], 200, "{all}");
    assert_eq!(all["sample"][0]["reason"], serde_json::Value::Null);
    let (code, said) = command(&proxy, &["explain", "--id", "nonsense"]);
    assert_eq!((code, said.contains("nothing is known of nonsense")), (1, true), "{said}");
}

#[test]
fn what_is_in_force_is_explained_with_leases_and_endpoints() {
    let origin = Origin::ok();
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{ file.test: {{ respond: hello }} }}\n"));
    let body = format!("{{\"to\": \"{}\", \"owner\": \"ann\", \"ttl\": \"10m\"}}", origin.address());
    assert_eq!(change(&proxy, "PUT /v1/routes/live.test", &body).status(), 201);
    let (code, said) = command(&proxy, &["explain", "--online", "http://live.test/x", "-H", "x-a: b"]);
    assert_eq!(code, 0, "{said}");
    for part in ["is registered by ann", "its lease ends in", &origin.address(), "is up", "in flight"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let bounded = format!(
        "{{ endpoints: [\"{}\"], limits: {{ connections: 7 }}, health: {{ tcp: true, interval: 250ms }} }}",
        origin.address()
    );
    proxy.write_config(&format!(
        "{ADMIN}routes: {{ file.test: {{ respond: hello }}, kept.test: {{ to: api, cache: true }} }}\nupstreams: {{ api: {bounded} }}\n"
    ));
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    let said = poll("a probe to pass", || {
        let (code, said) = command(&proxy, &["explain", "--online", "http://kept.test/"]);
        (code == 0 && said.contains("probed 0 s ago")).then_some(said)
    });
    for part in [
        "0 of at most 7 requests",
        "0 wait for a turn",
        "answers are kept as their origin says",
        "the cache keeps answers of 0 URLs",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, said) = command(&proxy, &["explain", "--online", "http://file.test/"]);
    assert_eq!((code, said.contains("stands in the configuration file")), (0, true), "{said}");
    let (code, said) = command(&proxy, &["explain", "--online", "http://nobody.test/"]);
    assert_eq!((code, said.contains("no_route")), (1, true), "{said}");
}

#[test]
fn registered_routes_follow_policies_and_defaults_that_a_reload_changes_alone() {
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{}}\n"));
    assert_eq!(change(&proxy, "PUT /v1/routes/t.test", "{\"respond\": \"hello\"}").status(), 201);
    assert_eq!(proxy.get("t.test", "/").status(), 200);
    // No route of the file is touched by this.
    proxy.write_config(&format!("{ADMIN}defaults: {{ deny: [127.0.0.0/8] }}\nroutes: {{}}\n"));
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    assert_eq!(proxy.get("t.test", "/").status(), 403);
}

#[test]
fn another_file_for_registered_routes_needs_a_new_start_and_says_so() {
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{}}\n"));
    proxy.write_config(&format!("{ADMIN}registry: {{ file: ./elsewhere.journal }}\nroutes: {{}}\n"));
    let answer = change(&proxy, "POST /v1/reload", "");
    assert!(answer.text().contains("registry.file"), "{}", answer.text());
    assert_eq!(change(&proxy, "PUT /v1/routes/t.test", "{\"respond\": \"hello\"}").status(), 201);
    assert!(!proxy.dir().file("elsewhere.journal").exists());
}

#[test]
fn the_document_of_the_api_is_served() {
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{}}\n"));
    let answer = ask(&proxy, "GET /v1/openapi.json", &[]);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let document = json(&answer);
    assert_eq!(document["openapi"], "3.1.0");
    // The router itself says which methods a path knows, where it is asked by another.
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        let answer = change(&proxy, &format!("PATCH {path}"), "");
        assert_eq!(answer.status(), 405, "{path}");
        let told = operations.as_object().unwrap().keys().filter(|name| *name != "parameters");
        let told: std::collections::BTreeSet<_> = told.map(|name| name.to_uppercase()).collect();
        let allowed =
            answer.field("allow").unwrap_or_default().split(',').map(str::trim).filter(|name| *name != "HEAD");
        assert_eq!(allowed.map(str::to_owned).collect::<std::collections::BTreeSet<_>>(), told, "{path}");
    }
}

#[test]
fn a_validator_from_outside_finds_the_document_sound() {
    let Some(judge) = crate::harness::python_judge("a_validator_from_outside_finds_the_document_sound") else { return };
    let proxy = Proxy::start(1, ADMIN);
    let document = ask(&proxy, "GET /v1/openapi.json", &[]).text().to_owned();
    let dir = crate::harness::TempDir::new();
    let says = |name: &str, text: &str| {
        let file = dir.write(name, text);
        let output = Command::new(&judge).args(["-m", "openapi_spec_validator"]).arg(file).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (sound, said) = says("sound.json", &document);
    assert!(sound, "{said}");
    // A judge that can't say no is none.
    let (sound, _) = says("broken.json", &document.replacen("\"responses\": {", "\"responses\": {\"abc\": 1,", 1));
    assert!(!sound, "the validator takes anything");
}

#[test]
fn case_184_what_is_sent_upstream_is_shown_to_nobody_without_the_token() {
    let route = "{ to: \":9\", request_headers: { set: { authorization: Bearer s3cret } } }";
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{ t.test: {route} }}\n"));
    let line = "GET /v1/explain?url=http://t.test/";
    let stranger = ask(&proxy, line, &[]);
    assert_eq!(stranger.status(), 401);
    assert!(json(&stranger)["error"]["message"].as_str().unwrap().contains("admin-token"), "{}", stranger.text());
    assert!(!stranger.text().contains("s3cret"));
    assert_eq!(ask(&proxy, line, &["Authorization: Bearer wrong"]).status(), 401);
    assert_eq!(ask(&proxy, "GET http://localhost/v1/explain?url=t.test", &[]).status(), 401);
    assert_eq!(ask(&proxy, "GET /v1/expl%61in?url=t.test", &[]).status(), 404);
    let bearer = format!("Authorization: Bearer {}", proxy.token());
    assert!(ask(&proxy, line, &[&bearer]).text().contains("Bearer s3cret"));
    let admin = proxy.admin().to_string();
    for way in [&[][..], &["--admin", &admin]] {
        let (code, said) = command(&proxy, &[&["explain", "--online", "http://t.test/"], way].concat());
        assert!(code == 0 && said.contains("Bearer s3cret"), "{way:?}: {said}");
    }
}
