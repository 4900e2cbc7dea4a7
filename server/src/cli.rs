//! The command line.

use std::env;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use latchkey::config::Sources;

/// Lets people sign up with an e-mail address that is really theirs.
#[derive(Debug, Parser)]
#[command(
    name = "latchkey",
    version,
    after_help = "Without a command, `latchkey` serves with what `latchkey.toml` and the \
        environment say.\n\nExample:\n  latchkey serve --data-dir ~/latchkey-data\n\nExit codes: \
        0 clean stop, 2 bad configuration, 1 anything else."
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the pages and the API until SIGTERM or SIGINT.
    #[command(
        after_help = "Flags override environment variables (LATCHKEY_CODE__DIGITS=6 is \
            code.digits), which override the file, which overrides the defaults. All keys stand \
            in docs/CONFIGURATION.md. Secrets belong in the environment or in files \
            (LATCHKEY_SMTP__URL_FILE), since other users can see a command line.\n\nExamples:\n  \
            latchkey serve\n  latchkey serve --https-addr 127.0.0.1:9443 --set code.digits=6\n  \
            LATCHKEY_SMTP__URL_FILE=/run/secrets/smtp latchkey serve --mode production"
    )]
    Serve(Serve),
}

#[derive(Debug, Default, Args)]
struct Serve {
    /// A TOML file; without this, ./latchkey.toml when it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `development`, or `production`, which refuses anything unsafe [default: development]
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Where HTTPS is served [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR:PORT")]
    https_addr: Option<String>,
    /// Where HTTP is redirected to HTTPS [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    http_addr: Option<String>,
    /// The address people use [default: localhost with the HTTPS port]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Database, certificate and keys [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Any other key, as code.digits=6; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

impl CommandLine {
    /// The layers of configuration of this process.
    pub fn sources(self) -> Sources {
        let serve = match self.command {
            Some(Command::Serve(serve)) => serve,
            None => Serve::default(),
        };
        let default_file = Path::new("latchkey.toml");
        let named = [
            ("mode", serve.mode),
            ("https_addr", serve.https_addr),
            ("http_addr", serve.http_addr),
            ("public_url", serve.public_url),
            ("data_dir", serve.data_dir),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Sources {
            file: serve
                .config
                .or_else(|| default_file.exists().then(|| default_file.to_owned())),
            environment: env::vars_os().collect(),
            flags: serve.set.into_iter().chain(named).collect(),
        }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err("KEY=VALUE is expected, as code.digits=6".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn flags_become_keys() {
        let line = CommandLine::parse_from([
            "latchkey",
            "serve",
            "--config=a.toml",
            "--mode=production",
            "--set",
            "smtp.url=smtp://host?tls=required",
        ]);
        let sources = line.sources();
        assert_eq!(sources.file, Some(PathBuf::from("a.toml")));
        let flags: Vec<(&str, &str)> = sources
            .flags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            flags,
            [
                ("smtp.url", "smtp://host?tls=required"),
                ("mode", "production")
            ]
        );
    }

    #[test]
    fn no_command_serves_with_the_defaults() {
        assert!(
            CommandLine::parse_from(["latchkey"])
                .sources()
                .flags
                .is_empty()
        );
    }
}
