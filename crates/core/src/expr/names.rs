//! The names an expression may use, and which of them one does.

/// A variable an expression can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Variable {
    /// `request`: the HTTP head as it came.
    Request = 1,
    /// `source`: where the call comes from.
    Source = 1 << 1,
    /// `apiKey`: the API key the caller presented.
    ApiKey = 1 << 2,
    /// `jwt`: the claims of the caller's token.
    Jwt = 1 << 3,
    /// `basicAuth`: the caller's user name.
    BasicAuth = 1 << 4,
    /// `principal`: who calls.
    Principal = 1 << 5,
    /// `llm`: what the LLM call asks for.
    Llm = 1 << 6,
    /// `llmRequest`: the document of the LLM call.
    LlmRequest = 1 << 7,
    /// `response`: the head of the reply.
    Response = 1 << 8,
}

impl Variable {
    /// Every variable.
    pub const ALL: &'static [Self] = &[
        Self::Request,
        Self::Source,
        Self::ApiKey,
        Self::Jwt,
        Self::BasicAuth,
        Self::Principal,
        Self::Llm,
        Self::LlmRequest,
        Self::Response,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Source => "source",
            Self::ApiKey => "apiKey",
            Self::Jwt => "jwt",
            Self::BasicAuth => "basicAuth",
            Self::Principal => "principal",
            Self::Llm => "llm",
            Self::LlmRequest => "llmRequest",
            Self::Response => "response",
        }
    }

    /// Its fields, where they are the same for every call.
    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Request => &[
                "method", "uri", "scheme", "host", "path", "query", "version", "headers",
            ],
            Self::Source => &["address", "port", "subject", "subjectAltNames"],
            Self::BasicAuth => &["username"],
            Self::Principal => &["id"],
            Self::Llm => &[
                "model",
                "requestModel",
                "stream",
                "streaming",
                "dialect",
                "operation",
                "inputTokens",
            ],
            Self::Response => &["code", "headers"],
            Self::ApiKey | Self::Jwt | Self::LlmRequest => &[],
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.name() == name)
    }
}

/// A set of variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variables(u16);

impl Variables {
    /// Whether this one is among them.
    pub const fn has(self, variable: Variable) -> bool {
        self.0 & variable as u16 != 0
    }

    /// Whether one is among them that only the decoded LLM call has.
    pub const fn are_typed(self) -> bool {
        self.has(Variable::Llm) || self.has(Variable::LlmRequest)
    }

    /// These, and those of another set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn add(&mut self, variable: Variable) {
        self.0 |= variable as u16;
    }
}
