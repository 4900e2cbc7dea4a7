//! Latchkey's server: everything that touches the world.
//!
//! `startup` builds an `Application` from a `config::Config`; `http::router` is the map of its
//! doors.
//! A request goes `http` (parse) → `registration` (decide) → `store` and `mail` (do) → `http`
//! (answer).

pub mod admin;
mod background;
pub mod clock;
pub mod config;
pub mod crowd;
pub mod entropy;
pub mod hashing;
pub mod http;
pub mod mail;
#[cfg(test)]
mod mutation;
pub mod network;
pub mod registration;
pub mod secret_key;
pub mod signals;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod tls;
