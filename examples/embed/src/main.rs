//! A whole gateway inside an axum application: its calls under `/ai`, the application's own routes beside it,
//! and the record of every call in the application's hands.
//!
//! ```sh
//! cargo run -p portcullis-example-embed
//! curl http://127.0.0.1:3000/ai/v1/chat/completions -H 'content-type: application/json' \
//!     -d '{"model": "echo", "messages": [{"role": "user", "content": "Hello!"}]}'
//! curl http://127.0.0.1:3000/        # 1 calls, 2 tokens
//! ```
//!
//! Any program that has an `http::Request` can call the gateway so: it is a tower service.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::{Router, extract::Request, routing::get};
use portcullis::core::{body::Body, context::Exchange, context::ExchangeSink};
use portcullis::{Gateway, source::ValueSource};
use tower::ServiceBuilder;

const CONFIG: &str = r#"
schemaVersion: 1
routes: [{match: {path: {prefix: /v1}}, backend: {echo: {}}}]
"#;

/// What the application wants to know of its calls.
#[derive(Default)]
struct Bill {
    calls: AtomicU64,
    tokens: AtomicU64,
}

struct Sink(Arc<Bill>);

impl ExchangeSink for Sink {
    fn record(&self, exchange: Box<Exchange>) {
        let spent = exchange.attempts.iter().filter_map(|attempt| attempt.usage);
        let tokens = spent.map(|usage| usage.input + usage.output).sum();
        self.0.calls.fetch_add(1, Relaxed);
        self.0.tokens.fetch_add(tokens, Relaxed);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (application, _) = application().await?;
    let socket = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(socket, application).await?)
}

async fn application() -> Result<(Router, Gateway), Box<dyn Error>> {
    let bill = Arc::new(Bill::default());
    let gateway = Gateway::builder().source(ValueSource::text(CONFIG));
    let gateway = gateway.sink(Sink(bill.clone())).build().await?;
    let ai = ServiceBuilder::new()
        .map_request(|request: Request| request.map(Body::new))
        .service(gateway.embedded());
    let told = move || async move {
        let (calls, tokens) = (bill.calls.load(Relaxed), bill.tokens.load(Relaxed));
        format!("{calls} calls, {tokens} tokens\n")
    };
    let application = Router::new().route("/", get(told)).nest_service("/ai", ai);
    Ok((application, gateway))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt;

    use super::*;

    async fn ask(application: &Router, request: Request) -> String {
        let reply = application.clone().oneshot(request).await.unwrap();
        let body = to_bytes(reply.into_body(), 1 << 16).await.unwrap();
        String::from_utf8(body.into()).unwrap()
    }

    #[tokio::test]
    async fn calls_are_answered_and_counted() {
        let (application, gateway) = application().await.unwrap();
        let body = r#"{"model": "echo", "messages": [{"role": "user", "content": "Hello!"}]}"#;
        let call = Request::post("/ai/v1/chat/completions").body(Body::from(body));
        assert!(ask(&application, call.unwrap()).await.contains("Hello!"));
        gateway.recorder().flush().await;
        let told = Request::get("/").body(Body::empty());
        let told = ask(&application, told.unwrap()).await;
        assert_eq!(told, "1 calls, 2 tokens\n");
    }
}
