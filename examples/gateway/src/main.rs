//! The full gateway.
fn main() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(async {
        use portcullis::{Gateway, source::FileSource};
        let path = std::env::args().nth(2).unwrap_or_default();
        let gateway = Gateway::builder()
            .source(FileSource::new(path))
            .build()
            .await?;
        let running = gateway.run().await?;
        for (id, address) in running.addresses() {
            eprintln!("{id} on {address}");
        }
        running.wait().await;
        Ok(())
    })
}
#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;
