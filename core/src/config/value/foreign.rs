//! Facts as nginx, Caddy and Traefik name them, for those who bring their templates along.
//!
//! A variable that this language doesn't have is a text like any other, and would be sent as it stands.

/// The fact that another proxy's name for one means, in braces; `None` where it is no such name.
pub(in crate::config) fn fact(name: &str) -> Option<String> {
    let plain = match name {
        "request_uri" | "http.request.uri" => "uri",
        "uri" | "document_uri" | "http.request.uri.path" => "path",
        "args" | "query_string" | "http.request.uri.query" => "query",
        "host" | "server_name" | "http.request.host" => "host",
        "scheme" | "http.request.scheme" => "scheme",
        "server_port" | "http.request.port" => "port",
        "remote_addr" | "remote_host" | "realip_remote_addr" | "http.request.remote.host" => "client_ip",
        "request_id" | "http.request.uuid" => "request_id",
        "http_host" | "http.request.hostport" => "header.host",
        _ => {
            return match (name.strip_prefix("http_"), name.strip_prefix("cookie_")) {
                (Some(field), _) if !field.is_empty() => Some(format!("{{header.{}}}", field.replace('_', "-"))),
                (None, Some(cookie)) if !cookie.is_empty() => Some(format!("{{cookie.{cookie}}}")),
                (Some(_) | None, _) => None,
            };
        }
    };
    Some(format!("{{{plain}}}"))
}

/// The first variable of nginx in a text, as it stands there, and what is written for it here. `groups` is how many groups
/// an expression has: `$1` is the first.
pub(in crate::config) fn variable(text: &str, groups: usize) -> Option<(String, String)> {
    text.split('$').skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest.get(..end)?;
        let group = name.parse::<usize>().is_ok_and(|group| (1..=groups).contains(&group));
        let meant = if group { Some(format!("{{{name}}}")) } else { fact(name) };
        Some((format!("${name}"), meant?))
    })
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn variables_and_what_they_mean() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let expect = expect.map(|(written, meant)| (written.to_owned(), meant.to_owned()));
            assert_eq!(variable(text, 1), expect, "{text}");
        };
        check("https://a.test$request_uri", Some(("$request_uri", "{uri}")));
        check("$remote_addr, $host", Some(("$remote_addr", "{client_ip}")));
        check("$5 and $http_x_real_ip", Some(("$http_x_real_ip", "{header.x-real-ip}")));
        check("$cookie_sid", Some(("$cookie_sid", "{cookie.sid}")));
        check("/new/$1", Some(("$1", "{1}")));
        check("$2", None);
        check("$", None);
        check("a price of $hosting", None);
        check("{uri}", None);
    }
}
