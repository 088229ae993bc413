//! Before the request line: configurations from files or from code, and their errors shown in the file.

pub(crate) mod document;
mod expand;
mod file;
mod folder;
mod hide;
mod join;
mod mark;
mod node;
mod render;
mod report;
mod value;
mod watch;

pub use file::FileSource;
pub(crate) use hide::{HIDDEN, is_secret, sounds_secret};
pub use render::render;
pub(crate) use report::locate;
pub use report::render_report;
pub use value::ValueSource;
