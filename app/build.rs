//! Makes the languages and the names of their texts out of `locales/*.ftl`, so that adding a
//! language is adding a file, and a text that the code asks for and English lacks does not compile.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

/// The language that every text is first written in, and that is spoken when nothing else fits.
const FIRST: &str = "en";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=locales");
    let folder =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("locales");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut tags: Vec<String> = fs::read_dir(&folder)?
        .filter_map(|entry| {
            Some(
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".ftl")?
                    .to_owned(),
            )
        })
        .collect();
    tags.sort_by_key(|tag| (tag != FIRST, tag.clone()));
    fs::write(out.join("languages.rs"), languages(&tags))?;
    let first = fs::read_to_string(folder.join(format!("{FIRST}.ftl")))?;
    fs::write(out.join("keys.rs"), keys(&first))
}

fn languages(tags: &[String]) -> String {
    let mut variants = String::new();
    let mut all = String::new();
    let mut by_tag = String::new();
    let mut sources = String::new();
    for tag in tags {
        let variant: String = tag.split('-').map(capitalised).collect();
        let default = if tag == FIRST { "#[default] " } else { "" };
        let _ = writeln!(
            variants,
            "/// `{tag}`\n{default}#[serde(rename = \"{tag}\")] {variant},"
        );
        let _ = write!(all, "Self::{variant}, ");
        let _ = writeln!(by_tag, "Self::{variant} => \"{tag}\",");
        // Found from the crate's own root: clones that share a target folder share this text.
        let _ = writeln!(
            sources,
            "Self::{variant} => \
             include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/locales/{tag}.ftl\")),"
        );
    }
    format!(
        "/// A language that there are texts in: one for each file in `locales`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {{ {variants} }}

impl Language {{
    /// All there are, the one that everybody is assumed to read first.
    pub const ALL: [Self; {count}] = [{all}];

    /// Its tag (RFC 5646), as cookies, the store and `lang` attributes have it.
    #[must_use]
    pub fn tag(self) -> &'static str {{
        match self {{ {by_tag} }}
    }}

    #[cfg(feature = \"ssr\")]
    pub(crate) fn source(self) -> &'static str {{
        match self {{ {sources} }}
    }}
}}
",
        count = tags.len()
    )
}

/// A constant for each message; lines that continue one are indented.
fn keys(source: &str) -> String {
    let mut keys = String::new();
    let mut all = String::new();
    let names = source.lines().filter_map(|line| {
        let (name, _) = line.split_once('=')?;
        let name = name.trim_end();
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        is_name.then_some(name)
    });
    for name in names {
        let constant = name.to_ascii_uppercase().replace('-', "_");
        let _ = writeln!(
            keys,
            "/// `{name}`\npub const {constant}: Key = Key(\"{name}\");"
        );
        let _ = write!(all, "{constant}, ");
    }
    let _ = writeln!(
        keys,
        "/// Each text there is.\npub const ALL: &[Key] = &[{all}];"
    );
    keys
}

fn capitalised(part: &str) -> String {
    let mut letters = part.chars();
    letters
        .next()
        .map(|first| {
            first.to_ascii_uppercase().to_string() + &letters.as_str().to_ascii_lowercase()
        })
        .unwrap_or_default()
}
