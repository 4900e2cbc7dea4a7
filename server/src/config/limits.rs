use serde::Deserialize;

use super::error::Problems;

/// `[limits]`: budgets for what strangers may cause. Each number `…_per_hour` is what may happen
/// at once; what was spent comes back evenly over the hour, so in any hour at most twice the
/// number can happen. What is caused to one address is counted exactly, in any 24 hours or 30
/// days. docs/SECURITY.md has the arithmetic.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Whether budgets are kept. They protect people's mailboxes, the relay and the codes.
    pub mode: LimitsMode,
    /// Sign-ups of one client network (IPv4 address or IPv6 /64), so that one machine cannot fill
    /// the store. A class of thirty that signs up together stays below it.
    pub sign_ups_per_hour: u32,
    /// Mails that one client network may cause by signing up and by asking again.
    pub mails_per_hour: u32,
    /// Wrong passwords of one client network: what it may try to guess accounts with.
    pub failed_passwords_per_hour: u32,
    /// How many times the budgets of one network an IPv6 /48 has: a customer can have one whole,
    /// with 65,536 networks in it.
    pub site_factor: u32,
    /// Mails to one address in any 24 hours, whoever causes them: nobody's mailbox is flooded.
    pub address_mails_per_day: u32,
    /// How many of them one site may cause, so that no single stranger can use them all up.
    pub address_mails_per_site_per_day: u32,
    /// How often the owner of a verified address is told in any 24 hours that somebody tried to
    /// sign up with it; at most once an hour in any case.
    pub notices_per_day: u32,
    /// Wrong codes for one address in any 30 days, after which its codes have eight digits for
    /// the next 30. Nine at four digits leave a guesser 0.09 %.
    pub wrong_codes: u32,
    /// Sign-ups of everybody together. Beyond it new ones wait; who holds a claim goes on.
    pub all_sign_ups_per_hour: u32,
    /// Connections open at a time, on both ports together. Each costs a file descriptor and
    /// about 200 KiB, or a few MiB where a client asks for much and takes little.
    pub connections: u32,
    /// Of these, for one client network: whoever never finishes a request (a slow loris) takes no
    /// more than their share. An IPv6 /48 has `site_factor` times as many for all its /64s.
    pub connections_per_network: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            mode: LimitsMode::On,
            sign_ups_per_hour: 40,
            mails_per_hour: 60,
            failed_passwords_per_hour: 30,
            site_factor: 4,
            address_mails_per_day: 10,
            address_mails_per_site_per_day: 3,
            notices_per_day: 3,
            wrong_codes: 9,
            all_sign_ups_per_hour: 3_600,
            // Beside store and mail within the 1,024 files that systemd and shells give a process.
            connections: 512,
            // A browser needs one; this is an office or a school behind one address, and an
            // eighth of all.
            connections_per_network: 64,
        }
    }
}

/// Files that the store, the relay and pages need beside connections.
const OTHER_FILES: u64 = 128;

impl LimitsConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.number("limits.sign_ups_per_hour", self.sign_ups_per_hour);
        problems.number("limits.mails_per_hour", self.mails_per_hour);
        problems.number(
            "limits.failed_passwords_per_hour",
            self.failed_passwords_per_hour,
        );
        problems.number("limits.site_factor", self.site_factor);
        problems.number("limits.address_mails_per_day", self.address_mails_per_day);
        problems.number(
            "limits.address_mails_per_site_per_day",
            self.address_mails_per_site_per_day,
        );
        problems.number("limits.notices_per_day", self.notices_per_day);
        problems.number("limits.wrong_codes", self.wrong_codes);
        problems.number("limits.all_sign_ups_per_hour", self.all_sign_ups_per_hour);
        problems.number("limits.connections", self.connections);
        problems.number(
            "limits.connections_per_network",
            self.connections_per_network,
        );
        let needed = u64::from(self.connections) + OTHER_FILES;
        if let Some(files) = open_files()
            && problems.0.is_empty()
            && needed > files
        {
            // Else the store would be the one that finds no descriptor left.
            let allowed = format!(
                "at most what the system lets this process open ({files}, see `ulimit -n`) less \
                 {OTHER_FILES}"
            );
            problems.refuse("limits.connections", self.connections, allowed);
        }
    }
}

/// What the system says this process may open; `None` where it does not say it as Linux does.
fn open_files() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/limits").ok()?;
    let limits = told
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    limits.split_whitespace().next()?.parse().ok()
}

/// Whether budgets are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitsMode {
    /// They are; development exempts loopback clients.
    #[default]
    On,
    /// They are not, except the attempts of a code. For load tests; refused in production.
    Off,
}
