//! Renders a page as the server does, and looks things up in it.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing fails")]

use std::{pin::Pin, sync::Arc};

use any_spawner::{CustomExecutor, Executor};
use futures::{FutureExt, StreamExt, executor::block_on, stream};
use hydration_context::SsrSharedContext;
use latchkey_app::{SiteFiles, shell, view::Site};
use leptos::prelude::*;
use leptos_meta::ServerMetaContext;
use leptos_router::location::RequestUrl;

/// The HTML of one page.
pub struct Page(String);

/// The page at `path`, with what `provide` puts into the context.
pub fn page(path: &str, provide: impl FnOnce()) -> Page {
    // Refused when another test of this process was first, which serves as well.
    _ = Executor::init_custom_executor(AtOnce);
    let options = LeptosOptions::builder().output_name("latchkey").build();
    let (meta, head) = ServerMetaContext::new();
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new())));
    let body = owner.with(|| {
        provide_context(RequestUrl::new(path));
        provide_context(meta);
        provide_context(Site {
            service_name: "Keys & Co".to_owned(),
            ..Site::default()
        });
        provide();
        let files = SiteFiles::of(&options);
        shell(options, files).to_html()
    });
    let whole = block_on(async {
        let body = stream::once(async { body }).boxed();
        head.inject_meta_context(body)
            .await
            .collect::<String>()
            .await
    });
    Page(whole)
}

impl Page {
    pub fn html(&self) -> &str {
        &self.0
    }

    pub fn has(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    /// Whether an element of this role says `text`, first of all.
    pub fn says(&self, role: &str, text: &str) -> bool {
        self.0
            .split(&format!(" role=\"{role}\""))
            .skip(1)
            .filter_map(|rest| rest.split_once('>'))
            .any(|(_, said)| said.starts_with(text))
    }

    pub fn count(&self, text: &str) -> usize {
        self.0.matches(text).count()
    }

    /// The first tag that starts so, up to its `>`.
    pub fn tag(&self, start: &str) -> &str {
        let from = self
            .0
            .find(start)
            .unwrap_or_else(|| panic!("no {start} in {}", self.0));
        let to = self.0[from..].find('>').unwrap();
        &self.0[from..from + to]
    }

    /// The first tag that has this attribute.
    pub fn with(&self, attribute: &str) -> &str {
        self.0
            .split('<')
            .filter_map(|rest| rest.split('>').next())
            .find(|tag| tag.contains(attribute))
            .unwrap_or_else(|| panic!("no {attribute} in {}", self.0))
    }

    /// The tag of the field of this name.
    pub fn input(&self, name: &str) -> &str {
        self.0
            .split("<input")
            .skip(1)
            .map(|rest| &rest[..rest.find('>').unwrap()])
            .find(|tag| tag.contains(&format!("name=\"{name}\"")))
            .unwrap_or_else(|| panic!("no field {name} in {}", self.0))
    }

    /// The text in the element with this id.
    pub fn text_of(&self, id: &str) -> &str {
        let (_, rest) = self.0.split_once(&format!(" id=\"{id}\"")).unwrap();
        let (_, text) = rest.split_once('>').unwrap();
        text.split_once('<').unwrap().0
    }
}

/// Runs what is spawned at once: rendering waits for nothing.
struct AtOnce;

impl CustomExecutor for AtOnce {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        _ = future.now_or_never();
    }

    fn spawn_local(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        _ = future.now_or_never();
    }

    fn poll_local(&self) {}
}
