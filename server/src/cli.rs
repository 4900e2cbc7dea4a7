//! The command line.

use std::env;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use latchkey::config::Sources;
use latchkey_app::domain::EmailAddress;

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
    /// Serve the pages and the API until a signal stops it.
    #[command(
        after_help = "Flags override environment variables (LATCHKEY_CODE__DIGITS=6 is \
            code.digits), which override the file, which overrides the defaults. All keys stand \
            in docs/CONFIGURATION.md. Secrets belong in the environment or in files \
            (LATCHKEY_SMTP__URL_FILE), since other users can see a command line.\n\nExamples:\n  \
            latchkey serve\n  latchkey serve --https-addr 127.0.0.1:9443 --set code.digits=6\n  \
            LATCHKEY_SMTP__URL_FILE=/run/secrets/smtp latchkey serve --mode production"
    )]
    Serve(Settings),
    /// Put everything into one new file, also while the server runs.
    #[command(
        after_help = "The file holds all accounts with their password hashes, sign-ups under \
        way, sessions, budgets and mail to be sent, as they were at one moment, and the secret key. \
        It appears, with mode 0600, once it is whole and on disk. Takes the same configuration as \
        `latchkey serve`.\n\nExample:\n  latchkey backup /backups/$(date +%F).latchkey --config \
        latchkey.toml\n\nExit codes: 0 the backup is there, 2 bad configuration, 1 anything else."
    )]
    Backup {
        /// A file that is not there yet
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Fill an empty store from a backup. No server may be running.
    #[command(
        after_help = "The whole file is read and checked before anything is changed. The \
        secret key of the backup is put into data_dir, unless the configuration has it. A backup of \
        an older version is brought up to date.\n\nExample:\n  latchkey restore \
        /backups/2026-11-24.latchkey --data-dir /var/lib/latchkey\n\nExit codes: 0 restored, \
        2 bad configuration, 1 anything else."
    )]
    Restore {
        /// What `latchkey backup` has made
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Look at accounts, and delete them, also while the server runs.
    #[command(
        after_help = "Password hashes are never shown. Takes the same configuration as \
        `latchkey serve`.\n\nExamples:\n  latchkey accounts list\n  latchkey accounts show \
        ada@example.org --json\n  latchkey accounts export --data-dir /var/lib/latchkey > \
        accounts.jsonl\n\nExit codes: 0 done, 2 bad configuration, 1 anything else."
    )]
    Accounts {
        #[command(subcommand)]
        command: AccountsCommand,
    },
    /// Ask for the data in SurrealQL, also while the server runs. It only reads.
    #[command(
        after_help = "The tables: account, claim (a sign-up under way, with the mail that it owes), \
        session, budget, address_ledger, hash_parameters, migration; docs/OPERATIONS.md has \
        their fields. Password hashes, codes and keys are in none of them. The tables that the query \
        names are fetched, as they are at one moment, and the query runs over that copy, in this \
        process.\n\nExamples:\n  latchkey query 'SELECT language, count() FROM account GROUP BY \
        language'\n  latchkey query --json 'SELECT address FROM account WHERE verified_at > \
        time::now() - 7d'\n\nExit codes: 0 answered, 2 bad configuration, 1 anything else."
    )]
    Query {
        /// One statement, or several with semicolons between them
        query: String,
        #[command(flatten)]
        look: Look,
    },
    /// Try the relay that mail goes through.
    Mail {
        #[command(subcommand)]
        command: MailCommand,
    },
}

#[derive(Debug, Subcommand)]
enum AccountsCommand {
    /// List the accounts in the order of their addresses.
    List {
        /// No more than so many
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
        #[command(flatten)]
        look: Look,
    },
    /// Show what there is of one address.
    Show {
        /// Whose account
        #[arg(value_name = "ADDRESS", value_parser = EmailAddress::parse)]
        email: EmailAddress,
        #[command(flatten)]
        look: Look,
    },
    /// Delete the account of one address, its sign-ups under way and its sessions, for good.
    #[command(
        after_help = "Stands in the audit log, as `deleted`. The address can sign up again at \
        once. What was counted against abuse stays until it expires, after 30 days at most, under \
        a digest."
    )]
    Delete {
        /// Whose account
        #[arg(value_name = "ADDRESS", value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Print every account as a line of JSON.
    Export {
        #[command(flatten)]
        place: Place,
    },
}

/// How what is found is printed, and where it is looked for.
#[derive(Debug, Args)]
struct Look {
    /// JSON for programs instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Which installation is meant.
#[derive(Debug, Args)]
struct Place {
    /// The server's TOML file; without this, ./latchkey.toml when it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data folder [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Any other key of the configuration, as database.namespace=other; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Hand one test mail to the relay, and say at which step that fails.
    #[command(
        after_help = "Takes the same configuration as `latchkey serve`, and can run beside it.\n\n\
            Example:\n  latchkey mail test --to me@example.org --config latchkey.toml\n\nExit \
            codes: 0 the relay took the mail, 2 bad configuration, 1 anything else."
    )]
    Test {
        /// Whom the test mail is for
        #[arg(long, value_name = "ADDRESS", value_parser = EmailAddress::parse)]
        to: EmailAddress,
        #[command(flatten)]
        settings: Settings,
    },
}

/// What there is to do.
#[derive(Debug)]
pub enum Task {
    /// Serve.
    Serve,
    /// Hand the relay a test mail.
    TestMail { to: EmailAddress },
    /// Look at the data, or change it, beside the server.
    Administer(Order),
}

/// What an operator wants done.
#[derive(Debug)]
pub enum Order {
    /// Make a backup.
    BackUp { file: PathBuf },
    /// Restore one.
    Restore { file: PathBuf },
    /// List the accounts.
    ListAccounts { limit: Option<usize>, json: bool },
    /// Show one.
    ShowAccount { email: EmailAddress, json: bool },
    /// Delete one.
    DeleteAccount { email: EmailAddress, yes: bool },
    /// Print all.
    ExportAccounts,
    /// Answer a query.
    Query { query: String, json: bool },
}

#[derive(Debug, Default, Args)]
struct Settings {
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
    /// What to do, and the layers of configuration of this process.
    pub fn task(self) -> (Task, Sources) {
        match self.command {
            Some(Command::Serve(settings)) => (Task::Serve, settings.sources()),
            None => (Task::Serve, Settings::default().sources()),
            Some(Command::Mail {
                command: MailCommand::Test { to, settings },
            }) => (Task::TestMail { to }, settings.sources()),
            Some(Command::Backup { file, place }) => {
                (Task::Administer(Order::BackUp { file }), place.sources())
            }
            Some(Command::Restore { file, place }) => {
                (Task::Administer(Order::Restore { file }), place.sources())
            }
            Some(Command::Accounts { command }) => {
                let (order, place) = command.order();
                (Task::Administer(order), place.sources())
            }
            Some(Command::Query { query, look }) => {
                let json = look.json;
                (
                    Task::Administer(Order::Query { query, json }),
                    look.place.sources(),
                )
            }
        }
    }
}

impl AccountsCommand {
    fn order(self) -> (Order, Place) {
        match self {
            Self::List { limit, look } => {
                let json = look.json;
                (Order::ListAccounts { limit, json }, look.place)
            }
            Self::Show { email, look } => {
                let json = look.json;
                (Order::ShowAccount { email, json }, look.place)
            }
            Self::Delete { email, yes, place } => (Order::DeleteAccount { email, yes }, place),
            Self::Export { place } => (Order::ExportAccounts, place),
        }
    }
}

impl Place {
    fn sources(self) -> Sources {
        Settings {
            config: self.config,
            data_dir: self.data_dir,
            set: self.set,
            ..Settings::default()
        }
        .sources()
    }
}

impl Settings {
    fn sources(self) -> Sources {
        let default_file = Path::new("latchkey.toml");
        let named = [
            ("mode", self.mode),
            ("https_addr", self.https_addr),
            ("http_addr", self.http_addr),
            ("public_url", self.public_url),
            ("data_dir", self.data_dir),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Sources {
            file: self
                .config
                .or_else(|| default_file.exists().then(|| default_file.to_owned())),
            environment: env::vars_os().collect(),
            flags: self.set.into_iter().chain(named).collect(),
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
        let (task, sources) = line.task();
        assert!(matches!(task, Task::Serve));
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
                .task()
                .1
                .flags
                .is_empty()
        );
    }

    #[test]
    fn a_test_mail_is_for_one_address() {
        let line = |to| CommandLine::try_parse_from(["latchkey", "mail", "test", "--to", to]);
        let (task, _) = line("me@example.org").unwrap().task();
        assert!(matches!(task, Task::TestMail { to } if to.typed() == "me@example.org"));
        assert!(line("me@example.org,you@example.org").is_err());
        assert!(CommandLine::try_parse_from(["latchkey", "mail", "test"]).is_err());
    }
}
