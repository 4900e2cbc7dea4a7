//! The files that wake the islands up, and how a page asks for them.

use std::fs;

use leptos::{nonce::use_nonce, prelude::*};

/// The paths of the browser's files, as cargo-leptos named them.
#[derive(Clone)]
pub struct SiteFiles {
    pub css: String,
    js: String,
    wasm: String,
}

impl SiteFiles {
    /// Finds the names: with `hash_files`, in `hash_file`, an absolute path or one beside the
    /// binary.
    pub fn of(options: &LeptosOptions) -> Self {
        let hashes = if options.hash_files {
            read_beside_binary(&options.hash_file)
        } else {
            String::new()
        };
        let path = |extension: &str| {
            let hash = hashes
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| *name == extension)
                .map(|(_, hash)| format!(".{}", hash.trim()))
                .unwrap_or_default();
            let base = options.site_pkg_dir_route_base();
            format!("{base}{}{hash}.{extension}", options.output_name)
        };
        Self {
            css: path("css"),
            js: path("js"),
            wasm: path("wasm"),
        }
    }
}

fn read_beside_binary(file: &str) -> String {
    std::env::current_exe()
        .ok()
        .and_then(|binary| Some(binary.parent()?.join(file)))
        .and_then(|path| fs::read_to_string(path).ok())
        .unwrap_or_default()
}

/// Lets nobody lose what they are typing by a choice of colours, which change where they are, or of
/// a language, in which the page is opened anew: what was typed, but for the password, waits in the
/// tab's own storage meanwhile. Pressing a button there leaves the focus where it is, as with
/// [`Button`](crate::components::Button). In a script of its own, so that it does not wait for the
/// islands.
const PREFERENCES: &str = include_str!("preferences.js");

/// Wakes the islands up, and takes over what is being typed meanwhile.
const WAKING_UP: &str = include_str!("hydration.js");

/// Starts the islands, as `leptos::hydration::HydrationScripts` does. That one cannot be used
/// under `script-src 'nonce-…'`: it puts the nonce of its module preload into `crossorigin`
/// (leptos-rs/leptos#4843), so the browser refuses to load the file.
#[component]
pub fn Hydration(files: SiteFiles) -> impl IntoView {
    let SiteFiles { js, wasm, .. } = files;
    let nonce = use_nonce();
    let start = format!("import start, * as app from {js:?};const wasm = {wasm:?};{WAKING_UP}");

    view! {
        <script type="module" nonce=nonce.clone() inner_html=PREFERENCES></script>
        <link rel="modulepreload" href=js nonce=nonce.clone() fetchpriority="low" />
        // What can be read comes first.
        <link
            rel="preload"
            href=wasm
            r#as="fetch"
            r#type="application/wasm"
            crossorigin="anonymous"
            fetchpriority="low"
        />
        // A page is only done when all but such scripts have run; then browsers follow its fragment
        // once more and take the focus out of the field in which somebody writes already.
        <script type="module" async nonce=nonce inner_html=start></script>
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn files_bear_the_hashes_that_cargo_leptos_wrote_down() {
        let hash_file = std::env::temp_dir().join("latchkey-hydration-test-hash.txt");
        fs::write(&hash_file, "js: aJs\nwasm: aWasm\ncss: aCss\n").unwrap();
        let options = LeptosOptions::builder()
            .output_name("latchkey")
            .hash_files(true)
            .hash_file(hash_file.to_string_lossy().into())
            .build();
        let files = SiteFiles::of(&options);
        fs::remove_file(hash_file).unwrap();
        assert_eq!(files.js, "/pkg/latchkey.aJs.js");
        assert_eq!(files.wasm, "/pkg/latchkey.aWasm.wasm");
        assert_eq!(files.css, "/pkg/latchkey.aCss.css");
    }

    #[test]
    fn without_hashes_the_names_are_plain() {
        let options = LeptosOptions::builder().output_name("latchkey").build();
        assert_eq!(SiteFiles::of(&options).css, "/pkg/latchkey.css");
    }
}
