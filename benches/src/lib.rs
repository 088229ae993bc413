//! Beside the request line: what the gateway adds to a direct call.
//!
//! The programs of this package are a model provider that costs next to nothing (`mock`), the least a
//! proxy can do (`bare`), a client (`load`), and the two that measure with them: `rig` by the clock of
//! the processor, `counts` by instructions. `README.md` says what they are held to.

pub mod load;
pub mod peer;
pub mod process;
pub mod reply;
pub mod scenario;
pub mod tls;
