//! Drives the real thing from outside.

// A test that cannot go on says so by a panic.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod api;
mod app;
mod budgets;
mod demo;
mod faults;
mod hardening;
mod hostile;
mod not_me;
mod outbox;
mod pages;
mod preferences;
mod privacy;
mod process;
mod sign_in;
mod smtp;
mod transport;
