//! What the demo prints: two addresses, and what to try.

use std::path::Path;

use super::place::Place;
use crate::cli::paint::Paint;

/// The key of RFC 6455 §1.3: any will do.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The text for a demo at `place` with the configuration at `path`.
pub(super) fn welcome(place: &Place, path: &Path, paint: Paint) -> String {
    let (a, b) = (place.authority(Place::HOST_A), place.authority(Place::HOST_B));
    let missing = place.authority(Place::MISSING);
    let (first, second) = (paint.bold(&format!("http://{a}/")), paint.bold(&format!("http://{b}/")));
    let port = place.port;
    let title = |text: &str| paint.bold(text);
    let mut text = String::from("\n");
    if let Some(wanted) = place.instead_of {
        text.push_str(&format!("Port {wanted} is taken; this is port {port}.\n\n"));
    }
    text.push_str(&format!(
        "{}\n\n  A  {first}\n  B  {second}\n\n\
         Open both in a browser: each page shows HTTP, a WebSocket and an event stream, live.\n\
         Browsers find *.localhost by themselves.\n\n\
         {}\n\n  \
         # HTTP, by name\n  \
         curl http://{a}/hello\n  \
         curl http://{b}/hello\n\n  \
         # an event a second\n  \
         curl -N http://{a}/sse\n\n  \
         # a WebSocket handshake: 101, and the tunnel stays open until Ctrl-C\n  \
         curl -i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\\n       \
         -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: {KEY}' http://{b}/ws\n\n  \
         # a name that nobody serves: 404, the reason, and the names that there are\n  \
         curl -i http://{missing}/\n\n\
         Where curl can't resolve these names: --resolve '*:{port}:127.0.0.1' before the address.\n\n\
         {}\n\n  \
         {}\n\n\
         Add a line under routes: and save. It is there at once, and the pages stay live.\n\
         {} ends it all.\n",
        title("Two workspaces behind one proxy:"),
        title("With curl:"),
        title("Change it while it runs:"),
        path.display(),
        title("Ctrl-C"),
    ));
    text
}
