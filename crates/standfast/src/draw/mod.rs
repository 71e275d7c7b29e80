//! What is shown to people on a terminal or in a picture: pieces of text with a meaning, bars over time, times in words.

pub(crate) mod grid;
pub(crate) mod ink;
pub(crate) mod svg;
pub(crate) mod words;
