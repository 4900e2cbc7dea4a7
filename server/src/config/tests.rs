use std::collections::BTreeSet;
use std::fs;

use figment::error::Kind as FigmentKind;
use figment::{Figment, providers::Serialized};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::keys::{KEYS, Kind};
use super::*;

/// The three layers, as a test writes them.
#[derive(Default)]
struct Given {
    folder: Option<TempDir>,
    sources: Sources,
}

fn given() -> Given {
    Given::default()
}

impl Given {
    fn file(mut self, toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latchkey.toml");
        fs::write(&path, toml).unwrap();
        self.sources.file = Some(path);
        self.folder = Some(folder);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.push((key.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources)
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The lines that refuse it.
    #[track_caller]
    fn refused(&self) -> Vec<String> {
        let error = self.load().expect_err("should be refused");
        let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), error.problems.len(), "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with("configuration: ")),
            "{lines:?}"
        );
        lines
    }

    /// Refused for `key`, and for nothing else.
    #[track_caller]
    fn refused_for(&self, key: &str) -> String {
        let lines = self.refused();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(&format!("configuration: {key}")),
            "{lines:?}"
        );
        lines[0].clone()
    }
}

/// The least that production starts with.
fn production() -> Given {
    given()
        .flag("mode", "production")
        .flag("smtp.url", "smtps://me:hunter2@relay.example")
        .flag("mail.from", "Acme <no-reply@acme.example>")
        .flag("public_url", "https://acme.example")
        .flag("https_addr", "0.0.0.0:443")
        .flag("http_addr", "[::]:80")
        .flag("tls.mode", "off")
        .flag("trusted_proxies", "10.0.0.0/8")
}

// Layers

#[test]
fn nothing_at_all_is_development_on_this_machine() {
    let config = given().config();
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.service.name, "Latchkey");
    assert_eq!(config.https_addr.to_string(), "127.0.0.1:8443");
    assert_eq!(config.http_addr.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url.as_str(), "https://localhost:8443/");
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert_eq!(
        config.mail.from.to_string(),
        "Latchkey <no-reply@localhost>"
    );
    assert_eq!((config.code.digits, config.code.ttl_seconds), (4, 60));
    assert_eq!((config.code.attempts, config.code.resend_seconds), (3, 60));
    assert_eq!(config.claim.ttl_seconds, 86_400);
    assert_eq!(config.hash.memory_kib, 19_456);
    assert_eq!((config.hash.iterations, config.hash.parallelism), (2, 1));
    assert!(config.hash_workers() >= 1);
    assert_eq!(config.tls.mode, TlsMode::SelfSigned);
    assert!(config.expose_code() && config.reveal_existing());
    Config::default().validate().unwrap();
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let file = given().file("[code]\ndigits = 5\nattempts = 5\nttl_seconds = 50\n");
    assert_eq!(file.config().code.digits, 5);
    let environment = file
        .env("LATCHKEY_CODE__DIGITS", "6")
        .env("LATCHKEY_CODE__ATTEMPTS", "6")
        .env("PATH", "/bin");
    assert_eq!(environment.config().code.digits, 6);
    let config = environment.flag("code.digits", "7").config();
    assert_eq!(config.code.digits, 7);
    assert_eq!(config.code.attempts, 6);
    assert_eq!(config.code.ttl_seconds, 50);
    assert_eq!(config.code.resend_seconds, 60);
}

#[test]
fn every_key_can_be_set_in_each_layer() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file.pem");
    fs::write(&path, "").unwrap();
    let path = path.to_str().unwrap();
    let value = |key: &str| match key {
        "mode" => "development".to_owned(),
        "https_addr" => "127.0.0.1:1".to_owned(),
        "http_addr" => "[::1]:2".to_owned(),
        "public_url" => "https://here.example".to_owned(),
        "links.after" | "links.terms" | "links.privacy" => "https://acme.example/x".to_owned(),
        "secret_key" => format!("{}=", "A".repeat(43)),
        "database.url" => "ws://db:8000".to_owned(),
        "tls.mode" => "files".to_owned(),
        "tls.cert" | "tls.key" | "smtp.ca_file" => path.to_owned(),
        "site_dir" => root.path().to_str().unwrap().to_owned(),
        "smtp.url" => "smtp://relay".to_owned(),
        "mail.from" => "A <a@b.example>".to_owned(),
        "mail.envelope_from" => "a@b.example".to_owned(),
        "limits.mode" => "off".to_owned(),
        "proxy_header" => "X-Real-IP".to_owned(),
        "trusted_proxies" => "10.0.0.0/8".to_owned(),
        "log.format" => "json".to_owned(),
        "log.level" => "debug".to_owned(),
        _ => match keys::find(key).unwrap().kind {
            Kind::Integer { max, .. } if key == "hash.memory_kib" => max.to_string(),
            Kind::Integer { min, .. } if key == "claim.ttl_seconds" => (min + 100).to_string(),
            Kind::Integer { min, .. } => min.to_string(),
            Kind::Boolean => "true".to_owned(),
            _ => "text".to_owned(),
        },
    };
    let (mut file, mut environment, mut flags) = (String::new(), given(), given());
    for key in KEYS {
        let value = value(key.name);
        file.push_str(&match key.kind {
            Kind::Integer { .. } | Kind::Boolean => format!("{} = {value}\n", key.name),
            Kind::List { .. } => format!("{} = [\"{value}\"]\n", key.name),
            _ => format!("{} = \"{value}\"\n", key.name),
        });
        environment = environment.env(&key.variable(), &value);
        flags = flags.flag(key.name, &value);
    }
    let all = [
        given().file(&file).config(),
        environment.config(),
        flags.config(),
    ];
    let shown: Vec<String> = all.iter().map(|config| format!("{config:?}")).collect();
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[1], shown[2]);
    for config in all {
        assert_eq!(config.database.password.unwrap().expose_secret(), "text");
        assert_eq!(config.links.after.unwrap().path(), "/x");
        assert_eq!(config.limits.mode, LimitsMode::Off);
        assert_eq!(config.log.format, Some(LogFormat::Json));
        assert_eq!(config.trusted_proxies.len(), 1);
        assert!(config.site_dir.is_some() && config.mail.envelope_from.is_some());
    }
}

#[test]
fn the_list_of_keys_and_the_fields_are_the_same() {
    fn fields(section: &str) -> &'static [&'static str] {
        let bogus = match section {
            "" => "bogus".to_owned(),
            _ => format!("{section}.bogus"),
        };
        let error = Figment::from(Serialized::default(&bogus, true))
            .extract::<Config>()
            .unwrap_err();
        match error.kind {
            FigmentKind::UnknownField(_, fields) => fields,
            other => panic!("{section}: {other:?}"),
        }
    }
    let mut found = BTreeSet::new();
    for field in fields("") {
        if keys::is_section(field) {
            found.extend(fields(field).iter().map(|key| format!("{field}.{key}")));
        } else {
            found.insert((*field).to_owned());
        }
    }
    let listed: BTreeSet<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn the_documentation_names_every_key_and_no_other() {
    let text = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/CONFIGURATION.md"
    ))
    .unwrap();
    let documented: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    let listed: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(documented, listed);
    // Its examples are configurations that start, once the files they name are there.
    let root = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("latchkey-smtp", "smtps://me:hunter2@relay\n".to_owned()),
        ("latchkey-key", format!("{}=\n", "A".repeat(43))),
        ("latchkey-database", "hunter2\n".to_owned()),
        ("fullchain.pem", String::new()),
        ("privkey.pem", String::new()),
    ] {
        fs::write(root.path().join(name), content).unwrap();
    }
    let examples: Vec<&str> = text.split("```toml\n").skip(1).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let example = example.split("```").next().unwrap();
        let here = root.path().to_str().unwrap();
        let example = example
            .replace("/run/secrets", here)
            .replace("/etc/letsencrypt/live/sign-up.example.org", here);
        given().file(&example).config();
    }
}

#[test]
fn lists_have_brackets_in_the_file_and_commas_elsewhere() {
    let expected = "[10.0.0.0/8, 192.0.2.7/32, ::1/128]";
    for given in [
        given().file("trusted_proxies = ['10.0.0.0/8', '192.0.2.7', '::1']"),
        given().file("trusted_proxies = '10.0.0.0/8, 192.0.2.7, ::1'"),
        given().env("LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7, ::1,"),
        given().flag("trusted_proxies", "10.0.0.0/8,192.0.2.7,::1"),
    ] {
        assert_eq!(format!("{:?}", given.config().trusted_proxies), expected);
    }
    given()
        .env("LATCHKEY_TRUSTED_PROXIES", "10.0.0.0/8,proxy")
        .refused_for("trusted_proxies = 10.0.0.0/8,proxy: networks");
    given()
        .file("trusted_proxies = [10]")
        .refused_for("trusted_proxies");
}

#[test]
fn strings_are_strings_whatever_they_look_like() {
    for value in [
        "0123", "true", "1e5", "[1]", "{a=1}", "\"x\"", " 1 ", "0x1F",
    ] {
        let config = given()
            .env("LATCHKEY_DATABASE__USERNAME", value)
            .env("LATCHKEY_DATABASE__PASSWORD", value)
            .config();
        assert_eq!(config.database.password.unwrap().expose_secret(), value);
        assert_eq!(config.database.username.as_deref(), Some(value));
    }
    let config = given()
        .file("service.name = true\n[database]\nusername = 7\npassword = 123456 # six\n")
        .config();
    assert_eq!(config.database.password.unwrap().expose_secret(), "123456");
    assert_eq!(config.database.username.as_deref(), Some("7"));
    assert_eq!(config.service.name, "true");
}

#[test]
fn an_unquoted_number_that_would_read_otherwise_is_refused_without_being_shown() {
    for value in ["1_000", "0x1F", "1.50", "+5", "1979-05-27"] {
        let line = given()
            .file(&format!(
                "database.password = {value}\ndatabase.username = 'a'"
            ))
            .refused_for("database.password = (hidden)");
        assert!(!line.contains(value), "{line}");
    }
}

#[test]
fn booleans_and_numbers_are_read_by_their_keys_kind() {
    for (value, expected) in [
        ("true", true),
        ("on", true),
        ("false", false),
        ("OFF", false),
    ] {
        let given = given().env("LATCHKEY_DEVELOPMENT__ALLOW_REMOTE", value);
        assert_eq!(given.config().development.allow_remote, expected);
    }
    given()
        .env("LATCHKEY_CODE__EXPOSE", "maybe")
        .refused_for("code.expose = maybe: true or false");
    given()
        .env("LATCHKEY_CODE__DIGITS", "four")
        .refused_for("code.digits = four");
    given().file("code.digits = '5'").refused_for("code.digits");
    given().file("code.digits = 4.5").refused_for("code.digits");
    given()
        .file("code.digits = -4")
        .refused_for("code.digits = -4");
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let config = given()
        .file("service.name = 'Acme'")
        .env("LATCHKEY_SMTP__URL", "")
        .env("LATCHKEY_SERVICE__NAME", "")
        .config();
    assert!(config.smtp.url.is_none());
    assert_eq!(config.service.name, "Acme");
}

// Secrets in files

#[test]
fn a_secret_may_stand_in_a_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("smtp");
    let path = path.to_str().unwrap();
    for (content, expected) in [
        ("smtp://a", "smtp://a"),
        ("smtp://a\n", "smtp://a"),
        ("smtp://a\r\n", "smtp://a"),
    ] {
        fs::write(path, content).unwrap();
        for given in [
            given().env("LATCHKEY_SMTP__URL_FILE", path),
            given().file(&format!("[smtp]\nurl_file = '{path}'")),
            given().flag("smtp.url_file", path),
        ] {
            let url = given.config().smtp.url.unwrap();
            assert_eq!(url.expose_secret(), expected);
        }
    }
    fs::write(path, " two\n\n").unwrap();
    let config = given()
        .env("LATCHKEY_DATABASE__USERNAME", "a")
        .env("LATCHKEY_DATABASE__PASSWORD_FILE", path)
        .config();
    let password = config.database.password.unwrap();
    assert_eq!(
        password.expose_secret(),
        " two\n",
        "only one newline is trimmed"
    );
}

#[test]
fn a_secrets_file_overrides_and_is_overridden_like_the_secret() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("smtp");
    fs::write(&path, "smtp://from-file").unwrap();
    let path = path.to_str().unwrap();
    let config = given()
        .file("smtp.url = 'smtp://inline'")
        .env("LATCHKEY_SMTP__URL_FILE", path)
        .config();
    assert_eq!(config.smtp.url.unwrap().expose_secret(), "smtp://from-file");

    let config = given()
        .file("smtp.url_file = '/nowhere'")
        .env("LATCHKEY_SMTP__URL", "smtp://inline")
        .config();
    assert_eq!(config.smtp.url.unwrap().expose_secret(), "smtp://inline");
}

#[test]
fn a_secrets_file_that_is_missing_or_beside_the_secret_is_refused() {
    given()
        .env("LATCHKEY_SECRET_KEY_FILE", "/nowhere/key")
        .refused_for("secret_key_file = /nowhere/key: a file that can be read");
    for (first, second) in [("smtp.url", "smtp.url_file"), ("smtp.url_file", "smtp.url")] {
        let lines = given()
            .file(&format!(
                "{first} = 'smtp://hunter2'\n{second} = 'smtp://hunter2'"
            ))
            .refused();
        assert!(lines[0].contains("not both"), "{lines:?}");
    }
}

// Unknown keys and unreadable files

#[test]
fn an_unknown_key_is_named_with_its_nearest_neighbour_in_each_layer() {
    for given in [
        given().file("[code]\ndigit = 5"),
        given().env("LATCHKEY_CODE__DIGIT", "5"),
        given().flag("code.digit", "5"),
    ] {
        let line = given.refused_for("code.digit: unknown key; did you mean code.digits?");
        assert!(line.contains("(set by "), "{line}");
    }
    given().file("[cod]\n").refused_for("cod: unknown key");
    given().file("code = 4").refused_for("code: unknown key");
    given()
        .file("[mode]\nx = 1")
        .refused_for("mode = (no text): development or production");
    given().env("LATCHKEY_", "x").refused_for(": unknown key");
}

#[test]
fn the_value_of_an_unknown_key_is_not_shown() {
    let lines = given()
        .env("LATCHKEY_DATABASE__PASWORD", "hunter2")
        .refused();
    assert!(
        lines[0].contains("did you mean database.password?"),
        "{lines:?}"
    );
    assert!(!lines[0].contains("hunter2"), "{lines:?}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_by_line_without_quoting_it() {
    let given = given().file("mode = 'development'\n[database]\npassword = 0123hunter2\n");
    let path = given.sources.file.clone().unwrap();
    let line = given.refused_for(&path.display().to_string());
    assert!(line.contains("line 3"), "{line}");
    assert!(!line.contains("hunter2"), "{line}");

    let missing = Given {
        folder: None,
        sources: Sources {
            file: Some("/nowhere/latchkey.toml".into()),
            ..Sources::default()
        },
    };
    missing.refused_for("/nowhere/latchkey.toml: cannot be read");
}

// Each key

#[test]
fn each_keys_own_limits_hold_in_every_layer() {
    for key in KEYS {
        let Kind::Integer { min, max } = key.kind else {
            continue;
        };
        for value in [min.checked_sub(1), Some(max + 1), Some(u64::MAX)]
            .into_iter()
            .flatten()
        {
            let text = value.to_string();
            let expected = format!("{} = {text}: a whole number from {min} to {max}", key.name);
            given().flag(key.name, &text).refused_for(&expected);
            if i64::try_from(value).is_ok() {
                given()
                    .file(&format!("{} = {text}", key.name))
                    .refused_for(&expected);
            }
        }
    }
}

#[test]
fn a_configuration_made_in_code_has_the_same_limits() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        let error = config.validate().unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        error.problems[0].key().unwrap().to_owned()
    };
    assert_eq!(refused(|c| c.code.digits = 3), "code.digits");
    assert_eq!(refused(|c| c.code.attempts = 11), "code.attempts");
    assert_eq!(refused(|c| c.code.ttl_seconds = 0), "code.ttl_seconds");
    assert_eq!(
        refused(|c| c.password.min_length = 7),
        "password.min_length"
    );
    assert_eq!(refused(|c| c.password.min_score = 5), "password.min_score");
    assert_eq!(refused(|c| c.hash.iterations = 0), "hash.iterations");
    assert_eq!(refused(|c| c.hash.memory_kib = 7), "hash.memory_kib");
    assert_eq!(
        refused(|c| c.hash.workers = NonZeroUsize::new(2_000)),
        "hash.workers"
    );
    assert_eq!(refused(|c| c.limits.connections = 0), "limits.connections");
    assert_eq!(
        refused(|c| c.limits.connections_per_network = 0),
        "limits.connections_per_network"
    );
}

#[test]
fn values_that_cannot_be_parsed_say_what_is_allowed() {
    for (key, value) in [
        ("mode", "staging"),
        ("mode", "Production"),
        ("https_addr", "localhost"),
        ("http_addr", "127.0.0.1"),
        ("public_url", "localhost:8443"),
        ("public_url", "ftp://localhost"),
        ("public_url", "https://localhost/sign-up"),
        ("public_url", "https://localhost?x"),
        ("public_url", "https://me@localhost"),
        ("links.after", "/welcome"),
        ("links.terms", "javascript:alert(1)"),
        ("links.privacy", "data:text/html,x"),
        ("tls.mode", "on"),
        ("mail.from", "no-reply"),
        ("mail.from", "a@b.example, c@d.example"),
        ("mail.from", "a@b.example\r\nBcc: c@d.example"),
        ("mail.envelope_from", "Name <a@b.example>"),
        ("limits.mode", "true"),
        ("log.format", "xml"),
        ("log.level", "loud"),
        ("log.level", "info,hyper=trace"),
        ("proxy_header", "X Forwarded"),
        ("proxy_header", "Forwarded"),
        ("service.name", " "),
        ("service.name", "a\r\nBcc: b"),
        ("data_dir", ""),
        ("site_dir", "/nowhere/site"),
        ("smtp.ca_file", "/nowhere/ca.pem"),
        ("database.namespace", "a b"),
        ("database.database", ""),
    ] {
        let line = given().flag(key, value).refused_for(&format!("{key} = "));
        assert!(line.ends_with("(set by the command line)"), "{line}");
    }
}

#[test]
fn a_secret_key_is_32_bytes_in_base64() {
    for (key, right) in [
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", true),
        ("hunter2", false),
        ("AAAA", false),
    ] {
        let given = given().env("LATCHKEY_SECRET_KEY", key);
        if right {
            given.config();
        } else {
            given.refused_for("secret_key = (hidden): 32 bytes in base64");
        }
    }
}

#[test]
fn a_relays_url_is_one_that_is_meant() {
    for url in [
        "smtp://relay",
        "smtp://127.0.0.1:2525",
        "smtps://me:secret@relay:465",
        "smtp://me:secret@relay?tls=required",
        "smtp://relay?tls=opportunistic",
    ] {
        given().flag("smtp.url", url).config();
    }
    for url in [
        "",
        "relay",
        "http://relay",
        "smtp://",
        "smtp://relay?tls=require",
        "smtp://relay?tsl=required",
        "smtp://relay?tls=required&tls=opportunistic",
        "smtp://me@relay",
        "smtps://relay?tls=opportunistic",
    ] {
        let line = given()
            .flag("smtp.url", url)
            .refused_for("smtp.url = (hidden): smtp://");
        assert!(
            url.is_empty() || !line.contains(&format!("= {url}")),
            "{line}"
        );
    }
}

#[test]
fn a_databases_url_is_one_that_is_supported() {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for url in ["mem://", "surrealkv://./db", "surrealkv:///var/lib/db"] {
        given().flag("database.url", url).config();
    }
    for url in ["ws://127.0.0.1:8000", "wss://db.example"] {
        let given = given().flag("database.url", url);
        let line = given.refused_for("secret_key = (not set)");
        assert!(line.contains("the same for all instances"), "{line}");
        assert!(given.flag("secret_key", key).config().database.is_server());
    }
    for url in [
        "",
        "mem",
        "memory",
        "mem://x",
        "surrealkv://",
        "surrealkv:///var/lib/db?sync=never",
        "rocksdb://x",
        "tikv://x",
        "http://db",
        "ws://",
        "ws://root:hunter2@db",
    ] {
        let line = given()
            .flag("database.url", url)
            .flag("secret_key", key)
            .refused_for("database.url = ");
        assert!(!line.contains("hunter2"), "{line}");
    }
    given()
        .flag("database.username", "root")
        .refused_for("database.password = (not set)");
    given()
        .flag("database.password", "hunter2")
        .refused_for("database.username = (not set)");
}

#[test]
fn files_for_tls_must_be_there() {
    let lines = given().flag("tls.mode", "files").refused();
    assert!(lines[0].contains("tls.cert = (not set)"), "{lines:?}");
    assert!(lines[1].contains("tls.key = (not set)"), "{lines:?}");
    let root = tempfile::tempdir().unwrap();
    let there = root.path().join("cert.pem");
    fs::write(&there, "").unwrap();
    let cert = there.to_str().unwrap();
    for key in ["/nowhere/key.pem", root.path().to_str().unwrap()] {
        given()
            .flag("tls.mode", "files")
            .flag("tls.cert", cert)
            .flag("tls.key", key)
            .refused_for(&format!("tls.key = {key}: a PEM file that can be read"));
    }
}

// Keys beside each other

#[test]
fn codes_are_shown_only_in_development_without_a_relay() {
    let default = given().config();
    assert!(default.expose_code() && default.reveal_existing());
    let relay = given().flag("smtp.url", "smtp://relay").config();
    assert!(!relay.expose_code() && !relay.reveal_existing());
    let revealing = given()
        .flag("smtp.url", "smtp://relay")
        .flag("privacy.reveal_existing", "true")
        .config();
    assert!(!revealing.expose_code() && revealing.reveal_existing());
    let shown = given()
        .flag("smtp.url", "smtp://relay")
        .flag("code.expose", "true")
        .config();
    assert!(shown.expose_code() && shown.reveal_existing());
    let hidden = given().flag("code.expose", "false").config();
    assert!(!hidden.expose_code() && !hidden.reveal_existing());
    assert!(!production().config().expose_code());
}

#[test]
fn a_shown_code_beside_hidden_accounts_is_refused() {
    let hidden = given().flag("privacy.reveal_existing", "false");
    let line = hidden.refused_for("privacy.reveal_existing = false: code.expose is on by default");
    assert!(line.contains("turn both off"), "{line}");
    given()
        .flag("privacy.reveal_existing", "false")
        .flag("code.expose", "true")
        .refused_for("privacy.reveal_existing = false: code.expose is on,");
    given()
        .flag("privacy.reveal_existing", "false")
        .flag("code.expose", "false")
        .config();
}

#[test]
fn keys_that_need_each_other_are_held_together() {
    given()
        .flag("claim.ttl_seconds", "59")
        .refused_for("claim.ttl_seconds = 59: at least code.ttl_seconds");
    given()
        .flag("hash.parallelism", "4")
        .flag("hash.memory_kib", "31")
        .refused_for("hash.memory_kib = 31: at least 32");
    given()
        .flag("http_addr", "127.0.0.1:8443")
        .refused_for("http_addr = 127.0.0.1:8443: an address other than https_addr");
    given()
        .flag("http_addr", "127.0.0.1:0")
        .flag("https_addr", "127.0.0.1:0")
        .config();
}

#[test]
fn development_follows_its_address_in_an_unset_public_url() {
    let url = |given: Given| given.config().public_url.to_string();
    assert_eq!(
        url(given().flag("https_addr", "127.0.0.1:9443")),
        "https://localhost:9443/"
    );
    assert_eq!(
        url(given().flag("https_addr", "127.0.0.1:0")),
        "https://localhost:8443/"
    );
    assert_eq!(
        url(given().flag("tls.mode", "off")),
        "http://localhost:8080/"
    );
    let set = given()
        .flag("tls.mode", "off")
        .flag("public_url", "https://here.example");
    assert_eq!(url(set), "https://here.example/");
}

// Modes

#[test]
fn development_listens_on_this_machine_only() {
    for (key, address) in [
        ("https_addr", "0.0.0.0:8443"),
        ("http_addr", "[::]:8080"),
        ("http_addr", "192.0.2.7:8080"),
    ] {
        let remote = given().flag(key, address);
        remote.refused_for(&format!(
            "{key} = {address}: in development a loopback address"
        ));
        remote.flag("development.allow_remote", "true").config();
    }
    for address in ["127.8.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        given().flag("http_addr", address).config();
    }
    // Nothing listens there.
    given()
        .flag("tls.mode", "off")
        .flag("https_addr", "0.0.0.0:8443")
        .config();
}

#[test]
fn production_starts_with_a_relay_a_sender_an_address_and_tls() {
    let config = production().config();
    assert_eq!(config.mode, Mode::Production);
    assert!(!config.expose_code() && !config.reveal_existing());

    let root = tempfile::tempdir().unwrap();
    let pem = root.path().join("both.pem");
    fs::write(&pem, "").unwrap();
    let pem = pem.to_str().unwrap();
    production()
        .flag("trusted_proxies", "")
        .flag("tls.mode", "files")
        .flag("tls.cert", pem)
        .flag("tls.key", pem)
        .config();
}

#[test]
fn production_names_all_that_it_misses() {
    let lines = given().flag("mode", "production").refused();
    let keys: Vec<&str> = lines
        .iter()
        .map(|line| {
            line.trim_start_matches("configuration: ")
                .split(' ')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(keys, ["public_url", "mail.from", "smtp.url", "tls.mode"]);
}

#[test]
fn production_refuses_each_unsafe_value() {
    for (key, value) in [
        ("tls.mode", "self-signed"),
        ("trusted_proxies", "0.0.0.0/0"),
        ("trusted_proxies", "10.0.0.0/8,::/0"),
        ("trusted_proxies", "0.0.0.0/1,128.0.0.0/1"),
        ("trusted_proxies", "fc00::/6"),
        ("code.expose", "true"),
        ("limits.mode", "off"),
        ("development.allow_remote", "true"),
        ("public_url", "http://acme.example"),
    ] {
        production()
            .flag(key, value)
            .refused_for(&format!("{key} = "));
    }
    production()
        .flag("trusted_proxies", "10.0.0.0/8,fc00::/7")
        .config();
    production()
        .flag("trusted_proxies", "")
        .refused_for("tls.mode = off: production needs files, or off with the proxy");
    production()
        .flag("public_url", "http://localhost:8080")
        .config();
}

#[test]
fn no_secret_is_ever_printed() {
    let given = production()
        .flag("database.username", "root")
        .flag("database.password", "hunter2")
        .flag("secret_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let printed = format!("{:?}", given.config());
    assert!(
        !printed.contains("hunter2") && !printed.contains("AAAA"),
        "{printed}"
    );
}
