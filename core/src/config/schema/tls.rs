//! The keys of `tls:`.

use super::{Kind, Object, elsewhere, key};

pub(in crate::config) static LISTENER_TLS: Object = Object {
    what: "`tls` of a listener",
    name: "listener_tls",
    keys: &[
        key(
            "certificates",
            Kind::Or(&[Kind::Words(&["auto"]), Kind::OneOrList(&Kind::Object(&CERTIFICATE))]),
            "Which are shown, by the name that a client asks for; the first to who asks for none. Default auto.",
        ),
        MIN_VERSION,
        CLIENT_AUTH,
        CLIENT_CA,
        key(
            "hosts",
            Kind::Map(&Kind::Or(&[Kind::Words(&["passthrough"]), Kind::Object(&HOST_TLS)])),
            "Policies of their own, by the name that a client asks for: a name or *.suffix.",
        ),
        elsewhere("cert", IN_LIST),
        elsewhere("key", IN_LIST),
        elsewhere("auto", "is the whole value, as in `tls: auto`"),
    ],
};

const IN_LIST: &str = "stands under `certificates`, as in `certificates: [{cert: a.pem, key: a.key}]`";

pub(in crate::config) static HOST_TLS: Object =
    Object { what: "`tls` of a host", name: "host_tls", keys: &[MIN_VERSION, CLIENT_AUTH, CLIENT_CA] };

pub(in crate::config) static CERTIFICATE: Object = Object {
    what: "a certificate",
    name: "certificate",
    keys: &[
        key("cert", Kind::Text, "The file of the certificate with its issuers (PEM). It is watched."),
        key("key", Kind::Text, "The file of its private key (PEM). It is watched."),
        key("ocsp", Kind::Text, "The file of an OCSP response to staple (DER). It is watched."),
    ],
};

const MIN_VERSION: super::Key =
    key("min_version", Kind::Words(&["1.2", "1.3"]), "The oldest version of TLS; default \"1.2\".");

const CLIENT_AUTH: super::Key = key(
    "client_auth",
    Kind::Or(&[Kind::Off, Kind::Words(&["request", "require"])]),
    "Whether clients show certificates: off (default), request, or require.",
);

const CLIENT_CA: super::Key =
    key("client_ca", Kind::Text, "The file of those who issue the clients' certificates (PEM). It is watched.");

pub(in crate::config) static TLS_FORM: Object = Object {
    what: "`tls` of a condition",
    name: "tls_form",
    keys: &[key("client_cert", Kind::Switch, "Whether the client has shown a certificate that was verified.")],
};

pub(in crate::config) static UPSTREAM_TLS: Object = Object {
    what: "`tls` of an upstream",
    name: "upstream_tls",
    keys: &[
        key(
            "ca",
            Kind::Text,
            "The file of those who issue the endpoints' certificates (PEM); default whom the system trusts.",
        ),
        key("server_name", Kind::Text, "The name that is asked for and verified; default the name in the address."),
        key("cert", Kind::Text, "The file of the certificate that we show (PEM), with `key`."),
        key("key", Kind::Text, "The file of its private key (PEM)."),
        key(
            "insecure_skip_verify",
            Kind::Switch,
            "Take whatever certificate comes: anybody in between can read and change everything. Default false.",
        ),
    ],
};
