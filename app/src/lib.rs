//! Latchkey's pages, on both sides of the wire, and the rules that browser and server share.
//!
//! No I/O happens here (but for one look at how the build named its files): the server hands every
//! page what it shows as a [`view`], and the islands of a page talk to the same doors as everybody
//! else, whose [`answer`] comes in the words and the language of the page. All [`texts`] stand in
//! `locales`.

pub mod answer;
pub mod components;
pub mod domain;
mod faults;
mod hydration;
pub mod language;
pub mod pages;
mod shell;
pub mod texts;
pub mod theme;
pub mod view;

pub use hydration::SiteFiles;
pub use shell::{App, shell};
