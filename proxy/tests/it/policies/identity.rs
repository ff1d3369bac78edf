//! Who asks: passwords, keys, and another service's word. Case 73, and that nothing unproved reaches an upstream.

use crate::harness::{Message, Origin, Proxy, TempDir, Wire, assert_own_answer, on_workers, poll, ws};

fn ask(proxy: &Proxy, host: &str, lines: &str) -> Message {
    proxy.ask(format!("GET /p?q=1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"))
}

fn basic(name: &str, password: &str) -> String {
    use std::fmt::Write as _;
    let text = format!("{name}:{password}");
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let word = three.iter().enumerate().fold(0_u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let letter = letters[(word >> (18 - 6 * at)) as usize & 63];
            write!(encoded, "{}", if at <= three.len() { char::from(letter) } else { '=' }).unwrap();
        }
    }
    format!("Authorization: Basic {encoded}\r\n")
}

#[test]
fn passwords_of_each_form_and_nobody_else() {
    use argon2::PasswordHasher as _;
    let argon = argon2::Argon2::default().hash_password(b"three").unwrap().to_string();
    let file = format!(
        "# users\nann:{}\nben:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\ncleo:{argon}\n",
        bcrypt::hash("one", 4).unwrap()
    );
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), TempDir::new());
        let path = place.write("users", &file);
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", basic_auth: {{ file: {}, realm: here }} }} }}\n",
            origin.address(),
            path.display()
        );
        let proxy = Proxy::start(workers, &yaml);
        let none = ask(&proxy, "t.test", "");
        assert_own_answer(&none, 401, "unauthorized");
        assert_eq!(none.field("www-authenticate"), Some("Basic realm=\"here\", charset=\"UTF-8\""));
        for lines in [
            basic("ann", "password"),
            basic("dora", "one"),
            basic("ann", ""),
            "Authorization: Basic !!!\r\n".to_owned(),
            basic("ann", "one") + &basic("ann", "one"),
        ] {
            assert_eq!(ask(&proxy, "t.test", &lines).status(), 401, "{lines}");
        }
        let handshake = ws::upgrade("t.test", "/", "");
        assert_own_answer(&proxy.ask(handshake), 401, "unauthorized");
        origin.assert_untouched();
        for (name, password) in [("ann", "one"), ("ben", "password"), ("cleo", "three"), ("ann", "one")] {
            assert_eq!(ask(&proxy, "t.test", &basic(name, password)).status(), 200, "{name}");
        }
        // Whoever guesses is slowed down, and a right password that was seen lately still passes.
        let limited = poll("a limit on wrong passwords", || {
            let answer = ask(&proxy, "t.test", &basic("ann", "wrong"));
            (answer.status() == 429).then_some(answer)
        });
        assert!(limited.has("retry-after"));
        assert_eq!(ask(&proxy, "t.test", &basic("ann", "one")).status(), 200);
        // A change of the file holds at once.
        place.write("users", "ben:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
        poll("the file to be read again", || {
            (ask(&proxy, "t.test", &basic("ann", "one")).status() == 401).then_some(())
        });
    });
}

#[test]
fn guesses_at_the_same_passwords_count_together_on_all_routes() {
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), TempDir::new());
        let users = place.write("users", "ben:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").display().to_string();
        let others = place.write("others", "ben:{SHA}Et6pb+wgWTVmq3VpLJlJWWgzrck=\n").display().to_string();
        let routes = |last: &str| {
            let rule = |n: usize| {
                format!("  t{n}.test: {{ to: \"{}\", basic_auth: {{ file: {users} }} }}\n", origin.address())
            };
            let rules: String = (0..20).map(rule).collect();
            format!(
                "routes:\n{rules}  o.test: {{ respond: other, basic_auth: {{ file: {others} }} }}\n  l.test: {{ respond: {last} }}\n"
            )
        };
        let proxy = Proxy::start(workers, &routes("one"));
        let guess = |n: usize| ask(&proxy, &format!("t{}.test", n % 20), &basic("ben", &format!("wrong{n}"))).status();
        let statuses: Vec<u16> = (0..40).map(guess).collect();
        let wrong = statuses.iter().filter(|status| **status == 401).count();
        // Ten, and those that come meanwhile.
        assert!((10..13).contains(&wrong) && statuses.last() == Some(&429), "{statuses:?}");
        // A reload lets nobody begin anew.
        proxy.write_config(&routes("two"));
        poll("the reload", || (proxy.get("l.test", "/").text() == "two").then_some(()));
        let again = (40..60).map(guess).filter(|status| *status == 401).count();
        assert!(again < 3, "{again} more after a reload");
        // Other passwords are another matter.
        assert_eq!(ask(&proxy, "o.test", &basic("ben", "wrong")).status(), 401);
    });
}

/// A proxy whose clients are who they say they are, and wrong passwords from one of them.
fn guarded(workers: usize, hash: &str) -> (Origin, TempDir, Proxy) {
    let (origin, place) = (Origin::ok(), TempDir::new());
    let users = place.write("users", &format!("ann:{hash}\n")).display().to_string();
    let address = origin.address();
    let rule = format!("routes: {{ t.test: {{ to: \"{address}\", basic_auth: {{ file: {users} }} }} }}\n");
    let proxy = Proxy::start(workers, &format!("trusted_proxies: 127.0.0.1/32\n{rule}"));
    (origin, place, proxy)
}

fn guess(proxy: &Proxy, number: u32) -> Wire {
    let lines = basic("ann", &format!("wrong{number}"));
    proxy.send(format!(
        "GET /guess HTTP/1.1\r\nHost: t.test\r\nX-Forwarded-For: 192.0.2.2\r\nConnection: close\r\n{lines}\r\n"
    ))
}

#[test]
fn guesses_at_once_are_no_more_than_guesses_in_turn() {
    on_workers(|workers| {
        let (origin, _place, proxy) = guarded(workers, "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=");
        let mut wires: Vec<Wire> = (0..60).map(|number| guess(&proxy, number)).collect();
        let statuses: Vec<u16> = wires.iter_mut().map(|wire| wire.response().status()).collect();
        let count = |status| statuses.iter().filter(|&&one| one == status).count();
        assert_eq!((count(401), count(429)), (10, 50));
        origin.assert_untouched();
        // A page that asks for many things at once with one right password is no guesser.
        let right = format!("GET /p HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n{}\r\n", basic("ann", "password"));
        let mut wires: Vec<Wire> = (0..30).map(|_| proxy.send(&right)).collect();
        assert!(wires.iter_mut().all(|wire| wire.response().status() == 200));
    });
}

/// Who comes behind a client's guesses waits for one of them to be hashed, and not for all.
#[test]
fn who_guesses_stands_in_nobody_elses_way() {
    on_workers(|workers| {
        let (_origin, _place, proxy) = guarded(workers, &bcrypt::hash("password", 10).unwrap());
        let mut guesses: Vec<Wire> = (0..10).map(|number| guess(&proxy, number)).collect();
        assert_eq!(ask(&proxy, "t.test", &basic("ann", "password")).status(), 200);
        let answered = guesses.iter_mut().filter_map(|wire| wire.stirred().then_some(())).count();
        assert!(answered < 6, "{answered} of 10 guesses were verified first");
        assert!(guesses.iter_mut().all(|wire| wire.response().status() == 401));
    });
}

#[test]
fn nobody_hashes_for_clients_that_have_gone() {
    on_workers(|workers| {
        let (_origin, _place, proxy) = guarded(workers, &bcrypt::hash("password", 8).unwrap());
        drop((0..24).map(|number| guess(&proxy, number)).collect::<Vec<_>>());
        let lines = poll("a line of each", || {
            let lines = proxy.access();
            let of = |line: &&serde_json::Value| line["path"] == "/guess";
            (lines.iter().filter(of).count() == 24).then_some(lines)
        });
        // Ten would have been verified, and the others refused.
        let gone = lines.iter().filter(|line| line["reason"] == "client_gone").count();
        assert!(gone > 14, "{gone} of 24 were found to be gone: {lines:#?}");
        assert_eq!(ask(&proxy, "t.test", &basic("ann", "password")).status(), 200);
    });
}

#[test]
fn keys_by_their_hash() {
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), TempDir::new());
        let file = "robot: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";
        let path = place.write("keys", file).display().to_string();
        let yaml = format!(
            "routes:\n  t.test: {{ to: \"{a}\", api_keys: {{ file: {path} }} }}\n  \
             b.test: {{ to: \"{a}\", api_keys: {{ file: {path}, header: Authorization }} }}\n",
            a = origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for lines in ["", "X-Api-Key: wrong\r\n", "X-Api-Key:\r\n", "X-Api-Key: secret\r\nX-Api-Key: secret\r\n"] {
            let answer = ask(&proxy, "t.test", lines);
            assert_own_answer(&answer, 401, "unauthorized");
            assert!(answer.field("www-authenticate").unwrap().starts_with("ApiKey header=\"x-api-key\""));
        }
        origin.assert_untouched();
        assert_eq!(ask(&proxy, "t.test", "X-Api-Key: secret\r\n").status(), 200);
        assert_eq!(ask(&proxy, "b.test", "Authorization: Bearer secret\r\n").status(), 200);
        assert_eq!(ask(&proxy, "b.test", "Authorization: Basic secret\r\n").status(), 401);
        assert!(origin.requests().iter().all(|request| !request.has("x-api-key") && !request.has("authorization")));
    });
}

/// A service that knows `sid=ann`, sends strangers to a login, and keeps its connections.
fn service() -> Origin {
    Origin::start(|wire: &mut Wire, _| {
        while let Some(request) = wire.request() {
            let cookie = request.field("cookie").unwrap_or_default();
            wire.offer(match cookie {
                "sid=ann" => "HTTP/1.1 200 OK\r\nX-User: ann\r\nX-Secret: no\r\nContent-Length: 2\r\n\r\nok",
                "sid=nameless" => "HTTP/1.1 204 No Content\r\n\r\n",
                _ => {
                    "HTTP/1.1 302 Found\r\nLocation: https://login.test/\r\nSet-Cookie: a=b\r\nX-Inner: no\r\n\
                     Transfer-Encoding: chunked\r\n\r\n5\r\nlogin\r\n0\r\n\r\n"
                }
            });
        }
    })
}

#[test]
fn a_service_may_replace_what_it_knows_the_user_by() {
    on_workers(|workers| {
        let service = Origin::start(|wire: &mut Wire, _| {
            while let Some(request) = wire.request() {
                wire.offer(match request.field("authorization") {
                    Some("Bearer ann") => "HTTP/1.1 200 OK\r\nAuthorization: Bearer inner\r\nContent-Length: 0\r\n\r\n",
                    Some("Bearer bob") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                    _ => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
                });
            }
        });
        let origin = Origin::ok();
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", forward_auth: {{ url: \"http://{}/\", copy_headers: [authorization] }} }} }}\n",
            origin.address(),
            service.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        assert_eq!(ask(&proxy, "t.test", "Authorization: Bearer eve\r\n").status(), 401);
        origin.assert_untouched();
        assert_eq!(ask(&proxy, "t.test", "Authorization: Bearer ann\r\n").status(), 200);
        assert_eq!(origin.wait_request(0).all("authorization"), ["Bearer inner"]);
        // The client's own never goes up, also where the service says nothing.
        assert_eq!(ask(&proxy, "t.test", "Authorization: Bearer bob\r\n").status(), 200);
        assert!(!origin.wait_request(1).has("authorization"));
    });
}

#[test]
fn case_073_a_service_says_who_the_user_is_and_nobody_else() {
    on_workers(|workers| {
        let (origin, service) = (Origin::ok(), service());
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", forward_auth: {{ url: \"http://{}/verify?x=1\", copy_headers: [X-User, x-groups] }} }} }}\n",
            origin.address(),
            service.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let claims = "X-User: root\r\nx-GROUPS: admins\r\nX-Other: 1\r\n";
        let refused = ask(&proxy, "t.test", claims);
        assert_eq!((refused.status(), refused.field("location")), (302, Some("https://login.test/")));
        assert_eq!((refused.text().as_str(), refused.field("set-cookie")), ("login", Some("a=b")));
        assert_eq!((refused.has("x-inner"), refused.reason()), (false, "forward_auth"));
        origin.assert_untouched();
        let question = service.wait_request(0);
        assert_eq!((question.method(), question.target()), ("GET", "/verify?x=1"));
        assert_eq!(question.field("x-forwarded-uri"), Some("/p?q=1"));
        assert_eq!(question.field("x-original-url"), Some("http://t.test/p?q=1"));
        assert_eq!((question.field("x-forwarded-method"), question.has("x-user")), (Some("GET"), false));
        let ann = format!("Cookie: sid=ann\r\n{claims}");
        assert_eq!(ask(&proxy, "t.test", &ann).status(), 200);
        let request = origin.wait_request(0);
        assert_eq!(
            (request.all("x-user"), request.has("x-groups"), request.has("x-secret")),
            (vec!["ann"], false, false)
        );
        assert_eq!(request.field("x-other"), Some("1"));
        assert_eq!(ask(&proxy, "t.test", &format!("Cookie: sid=nameless\r\n{claims}")).status(), 200);
        assert!(!origin.wait_request(1).has("x-user"));
    });
}

#[test]
fn a_service_sees_no_body_and_its_verdict_comes_before_a_tunnel() {
    on_workers(|workers| {
        let service = service();
        let origin = Origin::start(|wire, _| {
            while let Some(head) = wire.request_head() {
                if head.has("upgrade") {
                    wire.send(ws::switching(""));
                    let _ = wire.rest();
                    return;
                }
                let _ = wire.exactly(5);
                wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", forward_auth: {{ url: \"http://{}/\", copy_headers: x-user }} }} }}\n",
            origin.address(),
            service.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let post =
            "POST / HTTP/1.1\r\nHost: t.test\r\nCookie: sid=ann\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
        let mut client = proxy.send(format!("{post}hello"));
        let first = client.head();
        let answer = if first.status() == 100 { client.response() } else { first };
        assert_eq!(answer.status(), 200);
        let question = service.wait_request(0);
        for name in ["content-length", "expect", "transfer-encoding", "content-type"] {
            assert!(!question.has(name), "{name} in {question:#?}");
        }
        assert_eq!(proxy.ask(ws::upgrade("t.test", "/", "")).status(), 302);
        let question = service.wait_request(1);
        assert!(!question.has("upgrade") && !question.has("sec-websocket-key"), "{question:#?}");
        let mut tunnel = proxy.send(ws::upgrade("t.test", "/", "Cookie: sid=ann\r\n"));
        assert_eq!(tunnel.head().status(), 101);
        assert_eq!(origin.wait_head(1).field("x-user"), Some("ann"));
    });
}

/// What stands behind an answer is no answer to the next question, which goes over another connection.
#[test]
fn a_service_that_says_more_than_was_asked_is_not_believed() {
    on_workers(|workers| {
        let service = Origin::start(|wire: &mut Wire, _| {
            while wire.request().is_some() {
                let no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
                wire.offer(format!("{no}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
            }
        });
        let origin = Origin::ok();
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", forward_auth: {{ url: \"http://{}/\" }} }} }}\n",
            origin.address(),
            service.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for _ in 0..4 {
            assert_eq!(ask(&proxy, "t.test", "").status(), 403);
        }
        assert_eq!(service.connections(), 4);
        origin.assert_untouched();
    });
}

#[test]
fn a_service_that_is_not_there_lets_nobody_pass() {
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), TempDir::new());
        let keys = place.write("keys", "robot: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n");
        let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
        let yaml = format!(
            "policies: {{ known: {{ forward_auth: {{ url: \"http://{nobody}/\" }} }} }}\n\
             routes:\n  t.test: {{ to: \"{a}\", use: known }}\n  \
             any.test: {{ to: \"{a}\", use: known, api_keys: {{ file: {k} }}, auth: {{ any: [api_keys, forward_auth] }} }}\n  \
             all.test: {{ to: \"{a}\", use: known, api_keys: {{ file: {k} }} }}\n  open.test: {{ to: \"{a}\", use: known, forward_auth: off }}\n",
            a = origin.address(),
            k = keys.display()
        );
        let proxy = Proxy::start(workers, &yaml);
        assert_own_answer(&ask(&proxy, "t.test", ""), 502, "connect_refused");
        assert_own_answer(&ask(&proxy, "any.test", ""), 502, "connect_refused");
        assert_own_answer(&ask(&proxy, "all.test", "X-Api-Key: secret\r\n"), 502, "connect_refused");
        origin.assert_untouched();
        assert_eq!(ask(&proxy, "any.test", "X-Api-Key: secret\r\n").status(), 200);
        assert_eq!(ask(&proxy, "open.test", "").status(), 200);
    });
}
