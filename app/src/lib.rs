//! Latchkey's pages, on both sides of the wire, and the rules that browser and server share.
//!
//! No I/O happens here (but for one look at how the build named its files): the server hands every page what it shows as a [`view`], and the
//! islands of a page talk to the same doors as everybody else, whose [`answer`] they put into
//! the same words as the server does for a browser without JavaScript.

pub mod answer;
pub mod components;
pub mod domain;
mod hydration;
pub mod language;
pub mod pages;
mod shell;
pub mod view;

pub use hydration::SiteFiles;
pub use shell::{App, shell};
