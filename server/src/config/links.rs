use serde::Deserialize;
use url::Url;

use super::error::Problems;
use super::{keys, parse};

/// `[links]`: where pages lead to. Only `http` and `https`: a `javascript:` link would run in the
/// pages' own origin.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinksConfig {
    /// Where a verified person goes next.
    #[serde(deserialize_with = "parse::optional")]
    pub after: Option<Url>,
    /// The terms of use, linked under the form.
    #[serde(deserialize_with = "parse::optional")]
    pub terms: Option<Url>,
    /// The privacy notice, linked under the form.
    #[serde(deserialize_with = "parse::optional")]
    pub privacy: Option<Url>,
}

impl LinksConfig {
    pub(super) fn check(&self, problems: &mut Problems) {
        for (key, link) in [
            ("links.after", &self.after),
            ("links.terms", &self.terms),
            ("links.privacy", &self.privacy),
        ] {
            if let Some(link) = link
                && !matches!(link.scheme(), "http" | "https")
            {
                problems.refuse(key, link, keys::allowed(key));
            }
        }
    }
}
