//! From a TOML file, the environment and the command line to one typed [`Config`].
//!
//! Each layer is flattened to `section.key → value` and typed by the key's kind before figment
//! merges them, because figment would read the password `0123` of a variable as a number.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::error::{Problem, Problems, shown};
use super::keys::{self, ENVIRONMENT_PREFIX, Kind};
use super::value::{Raw, plain};
use super::{Config, ConfigError};

/// Where a configuration comes from; later ones override earlier ones, all override the defaults.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    /// A TOML file, which must be there.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables; those without the prefix are left alone.
    pub environment: Vec<(OsString, OsString)>,
    /// Keys and values from the command line.
    pub flags: Vec<(String, String)>,
}

/// The three layers above the defaults, lowest first.
#[derive(Debug)]
pub(super) struct Layers(Vec<Layer>);

#[derive(Debug, Default)]
struct Layer {
    name: String,
    settings: BTreeMap<&'static str, Setting>,
}

#[derive(Debug)]
struct Setting {
    value: Value,
    /// Which file, variable or flag it stands in.
    origin: String,
    /// The value is the path of a file that holds the secret.
    in_file: bool,
}

impl Layers {
    /// Reads all layers, and the secrets in files that no higher layer overrides. What is wrong with a
    /// setting leaves it out.
    pub(super) fn read(sources: &Sources) -> (Self, Problems) {
        let mut problems = Problems::default();
        let mut layers = Self(vec![
            file(sources.file.as_deref(), &mut problems),
            environment(&sources.environment, &mut problems),
            flags(&sources.flags, &mut problems),
        ]);
        layers.read_secrets(&mut problems);
        (layers, problems)
    }

    /// Merges the layers over the defaults.
    ///
    /// # Errors
    /// What was found wrong when they were read, and every value that cannot be parsed.
    pub(super) fn extract(&self, mut problems: Problems) -> Result<Config, ConfigError> {
        // serde ends with the first value that it cannot take, so each is tried alone.
        for key in keys::KEYS.iter().map(|key| key.name) {
            if let Some(Setting { value, .. }) = self.winner(key)
                && !problems.tell_of(key)
                && let Err(errors) = Figment::from(&Layer::of(key, value)).extract::<Config>()
            {
                let errors = errors.into_iter().map(|error| self.problem(&error));
                problems.0.extend(errors);
            }
        }
        problems.into_result()?;
        let merged = self
            .0
            .iter()
            .fold(Figment::new(), |figment, layer| figment.merge(layer));
        merged.extract().map_err(|errors| ConfigError {
            problems: errors.into_iter().map(|e| self.problem(&e)).collect(),
        })
    }

    /// Whether any layer sets `key`.
    pub(super) fn set(&self, key: &str) -> bool {
        self.winner(key).is_some()
    }

    /// Which file, variable or flag the value of `key` comes from.
    pub(super) fn origin(&self, key: &str) -> Option<String> {
        self.winner(key).map(|setting| setting.origin.clone())
    }

    fn winner(&self, key: &str) -> Option<&Setting> {
        self.0
            .iter()
            .rev()
            .find_map(|layer| layer.settings.get(key))
    }

    /// The value could not be parsed into its field's type.
    fn problem(&self, error: &figment::Error) -> Problem {
        let path = error.path.join(".");
        let known = keys::KEYS
            .iter()
            .find(|key| path == key.name || path.starts_with(&format!("{}.", key.name)));
        let Some(key) = known else {
            // Cannot be: unknown keys were refused before. Said without the value all the same.
            return Problem::UnknownKey {
                nearest: keys::nearest(&path),
                key: path,
                origin: "a layer".to_owned(),
            };
        };
        let value = self
            .winner(key.name)
            .map(|setting| plain(&setting.value))
            .unwrap_or_default();
        Problem::Refused {
            key: key.name.to_owned(),
            value: shown(key.name, &value),
            allowed: key.kind.allowed(),
            origin: self.origin(key.name),
        }
    }

    fn read_secrets(&mut self, problems: &mut Problems) {
        let mut overridden: Vec<&'static str> = Vec::new();
        for layer in self.0.iter_mut().rev() {
            // A file that no longer matters need not exist.
            layer
                .settings
                .retain(|key, setting| !(setting.in_file && overridden.contains(key)));
            for (key, setting) in &mut layer.settings {
                overridden.push(key);
                if !setting.in_file {
                    continue;
                }
                let path = plain(&setting.value);
                match fs::read_to_string(&path) {
                    Ok(content) => setting.value = Value::from(without_newline(&content)),
                    Err(error) => problems.0.push(Problem::Refused {
                        key: format!("{key}_file"),
                        value: shown(&format!("{key}_file"), &path),
                        allowed: format!("a file that can be read: {error}"),
                        origin: Some(setting.origin.clone()),
                    }),
                }
            }
        }
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut top = Dict::new();
        for (key, setting) in &self.settings {
            let value = setting.value.clone();
            match key.split_once('.') {
                None => {
                    top.insert((*key).to_owned(), value);
                }
                Some((section, key)) => {
                    let section = top
                        .entry(section.to_owned())
                        .or_insert_with(|| Value::from(Dict::new()));
                    if let Value::Dict(_, keys) = section {
                        keys.insert(key.to_owned(), value);
                    }
                }
            }
        }
        Ok(Profile::Default.collect(top))
    }
}

impl Layer {
    fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// One that sets this key alone.
    fn of(key: &'static str, value: &Value) -> Self {
        let setting = Setting {
            value: value.clone(),
            origin: String::new(),
            in_file: false,
        };
        Self {
            settings: BTreeMap::from([(key, setting)]),
            ..Self::default()
        }
    }

    /// Adds one setting, if its key is known and its value is of the key's kind.
    fn add(&mut self, name: &str, raw: Raw<'_>, origin: String, problems: &mut Problems) {
        let (key, in_file) = match (keys::find(name), keys::find_by_file(name)) {
            (Some(key), _) => (key, false),
            (None, Some(secret)) => (secret, true),
            (None, None) => {
                problems.0.push(Problem::UnknownKey {
                    key: shown("", name),
                    origin,
                    nearest: keys::nearest(name),
                });
                return;
            }
        };
        let refusal = |value: String, allowed: String, origin: String| Problem::Refused {
            key: name.to_owned(),
            value: shown(name, &value),
            allowed,
            origin: Some(origin),
        };
        let kind = if in_file {
            Kind::Text { allowed: "a path" }
        } else {
            key.kind
        };
        match raw.typed(kind) {
            Err(allowed) => problems.0.push(refusal(raw.shown(), allowed, origin)),
            Ok(_)
                if self
                    .settings
                    .get(key.name)
                    .is_some_and(|other| other.in_file != in_file) =>
            {
                let allowed = format!("{0} or {0}_file, not both", key.name);
                problems.0.push(refusal(raw.shown(), allowed, origin));
            }
            Ok(value) => {
                let setting = Setting {
                    value,
                    origin,
                    in_file,
                };
                self.settings.insert(key.name, setting);
            }
        }
    }
}

/// Editors and `echo` end a file with a newline, which is no part of a secret.
fn without_newline(content: &str) -> &str {
    let content = content.strip_suffix('\n').unwrap_or(content);
    content.strip_suffix('\r').unwrap_or(content)
}

fn file(path: Option<&Path>, problems: &mut Problems) -> Layer {
    let Some(path) = path else {
        return Layer::named("no file");
    };
    let mut layer = Layer::named(path.display().to_string());
    let mut refuse = |reason: String| {
        problems.0.push(Problem::File {
            path: path.to_owned(),
            reason,
        });
    };
    let content = match fs::read_to_string(path) {
        Ok(content) => content,
        Err(error) => {
            refuse(format!("cannot be read: {error}"));
            return layer;
        }
    };
    match <Toml as Format>::from_str::<Dict>(&content) {
        Ok(dict) => add_toml(&mut layer, "", &dict, &content, problems),
        // The error's own text would quote the line, and with it perhaps a secret.
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let before = content.as_bytes().iter().take(start);
            let line = 1 + before.filter(|byte| **byte == b'\n').count();
            let reason: String = error
                .message()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            refuse(format!("line {line} is no TOML: {reason}"));
        }
    }
    layer
}

fn add_toml(layer: &mut Layer, prefix: &str, dict: &Dict, content: &str, problems: &mut Problems) {
    for (key, value) in dict {
        let name = format!("{prefix}{key}");
        match value {
            // A key's own value is never a section, though figment shows a date as one.
            Value::Dict(_, inner)
                if keys::find(&name).is_none()
                    && keys::find_by_file(&name).is_none()
                    && (!inner.is_empty() || keys::is_section(&name)) =>
            {
                add_toml(layer, &format!("{name}."), inner, content, problems);
            }
            _ => {
                let origin = layer.name.clone();
                layer.add(&name, Raw::Toml(value, content), origin, problems);
            }
        }
    }
}

fn environment(variables: &[(OsString, OsString)], problems: &mut Problems) -> Layer {
    let mut layer = Layer::named("the environment");
    for (variable, value) in variables {
        let variable = variable.to_string_lossy();
        let Some(path) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        // `VARIABLE: ${VARIABLE:-}` is how compose files pass on what may not be set.
        if value.is_empty() {
            continue;
        }
        let key = path.to_ascii_lowercase().replace("__", ".");
        let origin = variable.to_string();
        match value.to_str() {
            Some(value) => layer.add(&key, Raw::Text(value), origin, problems),
            None => problems.0.push(Problem::Refused {
                key,
                value: "(hidden)".to_owned(),
                allowed: "UTF-8".to_owned(),
                origin: Some(origin),
            }),
        }
    }
    layer
}

fn flags(flags: &[(String, String)], problems: &mut Problems) -> Layer {
    let mut layer = Layer::named("the command line");
    for (key, value) in flags {
        let origin = layer.name.clone();
        layer.add(key, Raw::Text(value), origin, problems);
    }
    layer
}
