//! A server with sessions: it can be listened to, and asks its clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use portcullis_core::error::{Error, codes};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::protocol::{Ask, McpOutput, McpReply, McpRequest};

#[derive(Default)]
pub(super) struct Server {
    sessions: Mutex<HashMap<Arc<str>, Session>>,
}

#[derive(Default)]
struct Session {
    /// Who listens, if someone does.
    listener: Option<mpsc::UnboundedSender<Value>>,
    /// Questions asked, by id, and who waits for the answers.
    asked: HashMap<u64, oneshot::Sender<Value>>,
}

impl Server {
    pub(super) async fn answer(self: Arc<Self>, request: McpRequest) -> Result<McpReply, Error> {
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.entry(request.session.clone()).or_default();
        let output = match request.ask {
            Ask::Call { id: None, .. } => McpOutput::Accepted,
            Ask::Call {
                id: Some(id),
                method,
            } => session.call(&id, &method)?,
            Ask::Answer { id, result } => session.answered(&id, result)?,
            Ask::Listen => session.listen(),
            Ask::Close => {
                sessions.remove(&request.session);
                McpOutput::Accepted
            }
        };
        Ok(McpReply(output))
    }

    /// Says something to whoever listens in a session.
    pub(super) fn notify(&self, session: &str, message: Value) {
        let sessions = self.sessions.lock().unwrap();
        let listener = sessions[session].listener.as_ref().unwrap();
        listener.send(message).unwrap();
    }

    /// How many listen.
    pub(super) fn listeners(&self) -> usize {
        let sessions = self.sessions.lock().unwrap();
        let listeners = sessions.values().filter_map(|s| s.listener.as_ref());
        listeners.filter(|listener| !listener.is_closed()).count()
    }
}

impl Session {
    fn call(&mut self, id: &Value, method: &str) -> Result<McpOutput, Error> {
        match method {
            "askUser" => Ok(self.ask(id.clone())),
            "fail" => Err(Error::new(&codes::INVALID_FIELD, "as it was told to")),
            method => Ok(McpOutput::Message(json!({"id": id, "result": method}))),
        }
    }

    /// Asks the client something in the stream of its own call, and ends that with the answer.
    fn ask(&mut self, id: Value) -> McpOutput {
        let (send, answer) = oneshot::channel();
        self.asked.insert(900, send);
        let question = json!({"id": 900, "method": "elicit"});
        let result = async move { json!({"id": id, "result": answer.await.unwrap_or_default()}) };
        let messages = stream::once(std::future::ready(question)).chain(stream::once(result));
        McpOutput::Messages(Box::pin(messages))
    }

    fn answered(&mut self, id: &Value, result: Value) -> Result<McpOutput, Error> {
        let asked = id.as_u64().and_then(|id| self.asked.remove(&id));
        let waiting = asked.and_then(|asked| asked.send(result).ok());
        let nobody = || Error::new(&codes::INVALID_FIELD, "nothing of that id was asked");
        waiting.ok_or_else(nobody).map(|()| McpOutput::Accepted)
    }

    fn listen(&mut self) -> McpOutput {
        let (send, mut messages) = mpsc::unbounded_channel();
        self.listener = Some(send);
        let messages = stream::poll_fn(move |cx| messages.poll_recv(cx));
        McpOutput::Messages(Box::pin(messages))
    }
}
