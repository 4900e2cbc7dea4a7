//! Wakes the islands of a page up in the browser, and nothing else.

use wasm_bindgen::prelude::wasm_bindgen;

// Its islands are called by name from the page: nothing else links them in.
use latchkey_app as _;

/// Called by the page once this file is there.
#[wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
