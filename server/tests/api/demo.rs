//! The walk-through that README shows is what really happens.

use std::process::Stdio;
use std::time::Duration;
use std::{fs, process};

use tokio::time::timeout;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn readme_shows_what_the_demo_prints() {
    let demo = process::Command::new("bash")
        .args(["scripts/demo", env!("CARGO_BIN_EXE_latchkey")])
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The script's own waits are bounded, so this one ends as well.
    let ended = tokio::task::spawn_blocking(|| demo.wait_with_output().unwrap());
    let output = timeout(PATIENCE, ended).await.unwrap().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{complaint}");
    assert_eq!(complaint, "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(without_codes(&printed), without_codes(&shown_in_readme()));
}

/// The transcript in README, which begins with the first command.
fn shown_in_readme() -> String {
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let (_, transcript) = readme
        .split_once("```console\n$ curl --insecure -d \"password=")
        .expect("README shows no transcript");
    let (transcript, _) = transcript.split_once("```").unwrap();
    format!("$ curl --insecure -d \"password={transcript}")
}

/// Four digits that are no port are a code, right or wrong, and differ from run to run.
fn without_codes(transcript: &str) -> String {
    let mut words = Vec::new();
    for word in transcript.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        let rest = &word[digits.len()..];
        let is_code = digits.len() == 4 && digits != "8443";
        words.push(if is_code { "CODE" } else { digits });
        words.push(rest);
    }
    words.concat()
}
