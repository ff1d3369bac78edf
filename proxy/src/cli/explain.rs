//! `switchboard explain`: which rule answers a request, why the others do not, and what would be sent where.
//!
//! It works on a file and asks no proxy. The request is written out as bytes and goes the way of the data path: the same
//! codec, target, trust and search decide here and there. Nothing is connected to, unless `--try` asks for that.

mod attempt;
mod course;
mod request;
mod show;
mod tls;

use std::net::IpAddr;

use switchboard_core::config::{Bind, Config, Listener};
use switchboard_core::route::{ListenerId, RuleId};
use switchboard_core::snapshot::{Snapshot, UpstreamId};

use super::paint::Paint;
use super::which::Which;
use super::{escaped, print, run};
use crate::admin::client::Json;
use course::Arrival;
use request::{Line, Method, Url};
pub(crate) use tls::Tls;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the request would go: http://HOST/PATH, or ws:// for a WebSocket handshake; a bare HOST/PATH goes
    /// over TLS where the host has a certificate
    #[arg(required_unless_present = "id")]
    url: Option<Url>,
    /// What became of a request that a running proxy has answered: the x-request-id of its answer
    #[arg(long, value_name = "REQUEST-ID", conflicts_with = "url")]
    id: Option<String>,
    /// Asks a running proxy, which knows registered routes, leases and how its endpoints stand
    #[arg(long, conflicts_with = "id")]
    online: bool,
    /// A field of the request; `NAME:` takes away one that would be there by itself
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Line>,
    /// The method
    #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "GET")]
    method: Method,
    /// Who asks: the address at the other end of the connection
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    client_ip: IpAddr,
    /// The listener that it comes in by; by default the one with the URL's port, else the first
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Try a WebSocket's handshake (ws://…) against each endpoint, from here, and print what comes back
    #[arg(long = "try", conflicts_with_all = ["id", "online"])]
    attempt: bool,
    #[command(flatten)]
    which: Which,
}

/// A request to be explained.
#[derive(Debug)]
pub(crate) struct Question {
    url: Url,
    method: Method,
    headers: Vec<Line>,
    client_ip: IpAddr,
    listener: Option<String>,
}

impl Question {
    /// Makes one out of texts.
    ///
    /// # Errors
    /// In words, where one of them can't be read.
    pub(crate) fn read(
        url: &str,
        method: &str,
        headers: &[&str],
        client_ip: IpAddr,
        listener: Option<String>,
    ) -> Result<Self, String> {
        let headers = headers.iter().map(|line| line.parse()).collect::<Result<_, _>>()?;
        Ok(Self { url: url.parse()?, method: method.parse()?, headers, client_ip, listener })
    }
}

/// What was found out about a request.
#[derive(Debug)]
pub(crate) struct Told {
    /// 0 where a rule answers, 1 where none does, 2 where the question is wrong.
    pub(crate) code: u8,
    /// In words.
    pub(crate) text: String,
    /// The rule that answers.
    pub(crate) rule: Option<RuleId>,
    /// The upstream that is asked.
    pub(crate) upstream: Option<UpstreamId>,
    /// The head of a WebSocket's handshake as the first endpoint gets it.
    pub(crate) handshake: Option<Vec<u8>>,
}

/// Says which rule answers. 0 where one does, 1 where none does or the request is refused, or where it was tried and an
/// endpoint did not agree; 2 where it could not be asked.
pub(crate) fn explain(options: &Options) -> Result<u8, String> {
    answer(options).or_else(|message| {
        eprintln!("switchboard: {message}");
        Ok(2)
    })
}

fn answer(options: &Options) -> Result<u8, String> {
    if let Some(id) = &options.id {
        return past(options, id);
    }
    let Some(question) = options.question() else { return Err("which URL?".to_owned()) };
    if options.online {
        return online(options, &question);
    }
    let path = options.which.file().require()?;
    let Some(config) = run::read_quietly(&path) else { return Ok(2) };
    let snapshot = Snapshot::compile(&config).map_err(|error| error.to_string())?;
    let paint = Paint::of_stdout();
    let told = tell(&config, &snapshot, &Tls::of(&config)?, &question, paint);
    let (mut code, mut text) = (told.code, told.text.clone());
    if options.attempt && code != 2 {
        let (tried, agreed) = attempt::attempt(&config, &snapshot, &told, paint)?;
        code = code.max(u8::from(!agreed));
        text.push_str(&tried);
    }
    if code == 2 {
        eprint!("{text}");
    } else {
        print(&text);
    }
    Ok(code)
}

impl Options {
    fn question(&self) -> Option<Question> {
        let url = self.url.clone()?;
        let (method, headers, listener) = (self.method.clone(), self.headers.clone(), self.listener.clone());
        Some(Question { url, method, headers, client_ip: self.client_ip, listener })
    }
}

/// Asks a running proxy.
fn online(options: &Options, question: &Question) -> Result<u8, String> {
    let url = question.url.text();
    let headers: Vec<String> = question.headers.iter().map(Line::text).collect();
    let mut target = format!("/v1/explain?url={}&method={}", escaped(&url), escaped(question.method.text()));
    target.push_str(&format!("&client_ip={}&headers={}", question.client_ip, escaped(&headers.join("\n"))));
    if let Some(listener) = &question.listener {
        target.push_str(&format!("&listener={}", escaped(listener)));
    }
    let answer = options.which.ask("GET", &target, None)?;
    if answer.status != 200 {
        return Err(answer.refusal().join(" "));
    }
    let (code, text) = Json::of(&answer).told();
    print(&text);
    Ok(code)
}

/// Says what became of an exchange. 1 where the proxy knows nothing of it.
fn past(options: &Options, id: &str) -> Result<u8, String> {
    let answer = options.which.ask("GET", &format!("/v1/exchanges/{}", super::escaped(id)), None)?;
    match answer.status {
        200 => print(&Json::of(&answer).exchange()),
        404 => {
            eprintln!("switchboard: {}", answer.refusal().join(" "));
            return Ok(1);
        }
        _ => return Err(answer.refusal().join(" ")),
    }
    Ok(0)
}

/// Follows a request through what is in force.
pub(crate) fn tell(config: &Config, snapshot: &Snapshot, tls: &Tls, question: &Question, paint: Paint) -> Told {
    let Some((index, listener)) = listener(config, tls, question) else {
        let names: Vec<_> = config.listeners.iter().map(|listener| listener.name.as_str()).collect();
        let wanted = question.listener.as_deref().unwrap_or_default();
        let text = format!("switchboard: no listener is named {wanted}; there are {}\n", names.join(", "));
        return Told { code: 2, text, rule: None, upstream: None, handshake: None };
    };
    let url = question.url.at(tls::decrypts(listener));
    let head = request::head(&url, &question.method, &question.headers);
    let arrival = Arrival { client: question.client_ip, listener: index, port: port(listener, &url) };
    let course = course::follow(config, snapshot, tls, &head, &arrival);
    let asked = show::Asked {
        url: &url,
        method: question.method.text(),
        listener: &listener.name,
        client: question.client_ip,
        notes: notes(config, tls, index, &url, question.listener.is_some()),
    };
    let text = show::text(config, snapshot, &asked, &course, paint);
    Told {
        code: u8::from(!course.is_answered()),
        text,
        rule: course.rule(),
        upstream: course.upstream(),
        handshake: course.handshake(),
    }
}

/// The listener that the request comes in by; `None` where the one that was named is not there.
fn listener<'c>(config: &'c Config, tls: &Tls, question: &Question) -> Option<(ListenerId, &'c Listener)> {
    let Question { url, listener, .. } = question;
    let all = (0..).map(ListenerId).zip(&config.listeners);
    if let Some(name) = listener {
        return all.clone().find(|(_, listener)| listener.name == *name);
    }
    if let Some(found) = all.clone().find(|(_, listener)| url.port().is_some_and(|port| listens_on(listener, port))) {
        return Some(found);
    }
    // What is forwarded from elsewhere has another port here: what counts is whether TLS is spoken. Where the URL leaves
    // that open it is as a browser ends up: over TLS where the host has it.
    let host = url.host();
    let secure = || match url.is_bare() {
        true => all.clone().find(|(place, _)| tls.serves(*place, &host)),
        false => all.clone().find(|(_, listener)| url.is_secure() && listener.tls.is_some()),
    };
    let plain = || all.clone().find(|(_, listener)| !url.is_secure() && listener.tls.is_none());
    secure().or_else(plain).or_else(|| all.clone().next())
}

fn listens_on(listener: &Listener, port: u16) -> bool {
    match listener.bind {
        Bind::Any(own) | Bind::Ip(_, own) => own == port,
        Bind::Default => matches!(port, 80 | 8080),
        Bind::Unix(_) | Bind::Fd(_) => false,
    }
}

/// The port that the listener would have; `None` for a unix socket.
fn port(listener: &Listener, url: &Url) -> Option<u16> {
    match listener.bind {
        Bind::Any(0) | Bind::Ip(_, 0) | Bind::Fd(_) | Bind::Default => {
            Some(url.port().unwrap_or(if url.is_secure() { 443 } else { 80 }))
        }
        Bind::Any(own) | Bind::Ip(_, own) => Some(own),
        Bind::Unix(_) => None,
    }
}

/// What the answer leaves out of account.
fn notes(config: &Config, tls: &Tls, place: ListenerId, url: &Url, is_named: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let decrypts = config.listeners.get(place.0 as usize).is_some_and(tls::decrypts);
    if tls.passes(place, &url.host()) {
        notes.push(
            "TLS is passed through here: the name in the handshake finds the route, nothing else is read".to_owned(),
        );
    } else if url.is_secure() && config.listeners.iter().all(|listener| listener.tls.is_none()) {
        notes.push("no listener decrypts; a client gets no handshake here. Give one `tls`".to_owned());
    } else if url.is_secure() != decrypts {
        let what = if decrypts { "speaks TLS: a plain request gets 400 there" } else { "speaks no TLS" };
        notes.push(format!("this listener {what}; the scheme of the URL is another"));
    } else if decrypts {
        notes.push(
            "this is what becomes of the request behind the handshake; `check` looks at certificates.".to_owned(),
        );
    }
    // Any port may lead to a socket that was inherited, or to one whose port the system chooses.
    let unknown = |listener: &Listener| matches!(listener.bind, Bind::Any(0) | Bind::Ip(_, 0) | Bind::Fd(_));
    if let Some(port) = url.port()
        && !is_named
        && !config.listeners.iter().any(|listener| listens_on(listener, port) || unknown(listener))
    {
        notes.push(format!("No listener has port {port}. Hosts are matched without their port."));
    }
    notes
}

#[cfg(test)]
mod tests;
