//! Memory given back to the system after a rush.

use std::hint::black_box;
use std::time::Duration;

/// Longer than the allocator keeps free memory in case it is wanted again, which is one second.
const PAUSE: Duration = Duration::from_secs(2);

/// Large enough to be a region of its own, which goes back when it is freed.
const REGION: usize = 1 << 20;

/// Lets the allocator give back what has been free for a while. It does that when a region becomes free, and a
/// gateway without calls frees nothing; so from time to time one is taken, untouched, and freed.
pub(crate) async fn give_back() {
    let mut pauses = tokio::time::interval(PAUSE);
    loop {
        pauses.tick().await;
        drop(black_box(Vec::<u8>::with_capacity(REGION)));
    }
}
