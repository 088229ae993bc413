//! Around the line: a gateway whose configuration is in files that a test writes.

use std::net::SocketAddr;
use std::path::PathBuf;

use portcullis::snapshot::RefuseBy;
use portcullis::source::FileSource;
use portcullis::{Gateway, ReloadResult, Running};
use portcullis_testkit::Client;
use tempfile::TempDir;

/// A gateway of files that a test writes.
pub(crate) struct Files {
    dir: TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) running: Running,
}

impl Files {
    /// A gateway of one file, or of several by project; it loads anew only when told to.
    pub(crate) async fn start(files: &[(&str, &str)]) -> Self {
        Self::with(files, false).await
    }

    /// The same, which may follow its files.
    pub(crate) async fn with(files: &[(&str, &str)], follow: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let source = FileSource::new(dir.path());
        let builder = Gateway::builder().source(source).follow(follow);
        let gateway = builder.refuse_by(RefuseBy::Project).build().await;
        let gateway = gateway.unwrap_or_else(|e| panic!("{e}"));
        let running = gateway.run().await.unwrap();
        Self {
            dir,
            gateway,
            running,
        }
    }

    /// A file of its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes one of them.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Writes the only one, and has it loaded, with nothing wrong.
    pub(crate) async fn change(&self, text: &str) {
        self.write("a.yaml", text);
        let status = self
            .gateway
            .reload()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        let result = status.last.result;
        assert_eq!(result, ReloadResult::Success, "{}", status.last.findings);
    }

    /// Where a listener is, by its identity.
    pub(crate) fn address(&self, id: &str) -> SocketAddr {
        let addresses = self.gateway.addresses();
        let found = addresses.iter().find(|(one, _)| one.to_string() == id);
        found.unwrap_or_else(|| panic!("{id} in {addresses:?}")).1
    }

    /// The page of metrics.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.running.admin().unwrap());
        Client::new().get(&url).await.unwrap().text()
    }
}

/// A project with a listener of any port, and one reply to everything.
pub(crate) fn says(project: &str, words: &str) -> String {
    format!(
        "schemaVersion: 1\nproject: {project}\nlisteners: [{{name: web, address: \"127.0.0.1:0\"}}]\n\
         routes:\n- backend: {{directResponse: {{status: 200, body: {words}}}}}\n"
    )
}

/// What a gateway of that replies.
pub(crate) async fn said(address: SocketAddr) -> String {
    let url = format!("http://{address}/");
    Client::new().get(&url).await.unwrap().text()
}
