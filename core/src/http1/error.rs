//! What can be wrong with a head or with chunks: exhaustive kinds, each with its reason and a sentence for a person.
//!
//! The data path turns them into answers through `reason` and shows `detail`; nothing here quotes bytes of the message.

use crate::reason::Reason;

macro_rules! errors {
    ($(#[$doc:meta])* $name:ident { $($(#[$kind_doc:meta])* $kind:ident => $reason:ident, $detail:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$kind_doc])* #[doc = concat!("In words: ", $detail, ".")] $kind,)*
        }

        impl $name {
            /// Every kind, in the order in which a message shows them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The reason of the answer where a client sent it. What an upstream sent is always `upstream_bad_response`.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self {
                    $(Self::$kind => Reason::$reason,)*
                }
            }

            /// What is wrong, as a clause without a full stop.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self {
                    $(Self::$kind => $detail,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.detail())
            }
        }

        impl std::error::Error for $name {}
    };
}

errors! {
    /// Why a head was refused.
    HeadError {
        /// `0x16 0x03`: the start of a ClientHello.
        Tls => BadRequest, "this is TLS on a plain HTTP port";
        /// RFC 9112 §2.2 asks for tolerance of at least one.
        LeadingBlankLines => BadRequest, "more than one blank line stands before the request line";
        /// RFC 9110 §9.1.
        BadMethod => BadRequest, "the method is not a token, or no single space follows it";
        /// Longer than 32 bytes.
        MethodTooLong => BadRequest, "the method is longer than 32 bytes";
        /// RFC 9112 §3: exactly one space.
        DoubleSpace => BadRequest, "more than one space stands between two parts of the request line";
        /// A control character, HTAB or a byte above 0x7E.
        BadTarget => BadRequest, "the request target has a byte that a URI can't have";
        /// `limits.target`.
        TargetTooLong => TargetTooLong, "the request target is longer than limits.target";
        /// HTTP/0.9.
        NoVersion => UnsupportedVersion, "the request line has no HTTP version";
        /// RFC 9112 §2.3: `HTTP/`, a digit, a dot, a digit, nothing else.
        BadVersion => BadRequest, "the HTTP version is not written as HTTP/1.1, or something other than a line end follows it";
        /// Well written, but neither 1.0 nor 1.1.
        UnsupportedVersion => UnsupportedVersion, "the HTTP version is neither 1.0 nor 1.1";
        /// RFC 9112 §4.
        BadStatusLine => BadRequest, "the status line is not a version, a space and three digits";
        /// Anything but HTAB, SP, visible characters and bytes above 0x7F in a reason phrase.
        BadReason => BadRequest, "the reason phrase has a control character";
        /// RFC 9112 §2.2.
        BareLf => BadRequest, "a line ends in LF without CR";
        /// RFC 9112 §2.2.
        BareCr => BadRequest, "a CR is not followed by LF";
        /// RFC 9112 §2.2.
        SpaceBeforeFirstField => BadRequest, "white space stands before the first field line";
        /// RFC 9112 §5.2.
        ObsFold => BadRequest, "a field line is folded: it goes on in a line that begins with white space";
        /// A line end in a name.
        NoColon => BadRequest, "a field line has no colon";
        /// A colon at the start of a line.
        EmptyName => BadRequest, "a field line has no name before its colon";
        /// RFC 9112 §5.1.
        SpaceBeforeColon => BadRequest, "a space stands before the colon of a field name";
        /// RFC 9110 §5.1.
        BadName => BadRequest, "a field name has a byte that is not of a token";
        /// RFC 9110 §5.5.
        BadValue => BadRequest, "a field value has a control character";
        /// `limits.head`.
        HeadTooLarge => HeadTooLarge, "the head is larger than limits.head";
        /// `limits.field`.
        FieldTooLong => HeadTooLarge, "a field line is longer than limits.field";
        /// `limits.fields`.
        TooManyFields => HeadTooLarge, "the head has more field lines than limits.fields";
        /// RFC 9110 §8.6.
        BadLength => BadRequest, "Content-Length is not a decimal number";
        /// Above 2⁶³ − 1 or more than 19 digits.
        LengthTooLarge => BadRequest, "Content-Length is larger than any body can be";
        /// Equal ones too.
        RepeatedLength => BadRequest, "Content-Length is given more than once";
        /// RFC 9112 §6.1: only `chunked` is decoded here.
        BadTransferEncoding => BadRequest, "Transfer-Encoding is something other than exactly \"chunked\"";
        /// RFC 9112 §6.1.
        RepeatedTransferEncoding => BadRequest, "Transfer-Encoding is given more than once";
        /// RFC 9112 §6.1, the root of request smuggling.
        LengthAndTransferEncoding => BadRequest, "Content-Length and Transfer-Encoding are both there";
        /// RFC 9112 §6.1.
        TransferEncodingIn10 => BadRequest, "Transfer-Encoding stands in an HTTP/1.0 message";
        /// RFC 9110 §7.6.1.
        BadConnection => BadRequest, "Connection is not a list of tokens";
        /// More than 32.
        TooManyConnectionOptions => BadRequest, "Connection names more than 32 options";
    }
}

errors! {
    /// Why a chunked body was refused (RFC 9112 §7.1).
    ChunkError {
        /// Not one to sixteen hexadecimal digits.
        BadSize => BadRequest, "a chunk size is not a hexadecimal number";
        /// More than 16 digits, or a sum above 2⁶³ − 1.
        SizeTooLarge => BadRequest, "a chunk size is larger than any body can be";
        /// RFC 9112 §7.1.1.
        BadExtension => BadRequest, "a chunk extension is malformed";
        /// More than 256 bytes before the line end.
        SizeLineTooLong => BadRequest, "the line of a chunk size is longer than 256 bytes";
        /// More than 4 KiB of extensions, or over 16 bytes of framing to one of payload.
        TooMuchOverhead => BodyTooLarge, "the body has far more chunk framing than content";
        /// RFC 9112 §7.1, case 22.
        BareLf => BadRequest, "a line of the chunked coding ends in LF without CR";
        /// A CR without LF.
        BareCr => BadRequest, "a CR in the chunked coding is not followed by LF";
        /// What follows the data is not CRLF.
        DataTooLong => BadRequest, "a chunk is longer than its size, or no CRLF follows it";
        /// `limits.trailers`.
        TrailersTooLarge => HeadTooLarge, "the trailer section is larger than limits.trailers";
        /// More than 32.
        TooManyTrailers => HeadTooLarge, "the trailer section has more than 32 fields";
        /// A line that would be refused in a head.
        BadTrailer => BadRequest, "a trailer line is malformed";
    }
}
