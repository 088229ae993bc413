//! Before the request line: configurations from files or from code, and their errors shown in the file.

mod document;
mod expand;
mod file;
mod hide;
mod join;
mod node;
mod render;
mod report;
mod value;

pub use file::FileSource;
pub use render::render;
pub use report::render_report;
pub use value::ValueSource;
