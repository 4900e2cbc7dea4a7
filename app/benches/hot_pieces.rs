//! What of the shared code runs with every request: rules, and drawing a page.
//!
//! `make bench` runs it; by itself: `cargo bench -p latchkey-app --features bench --bench hot_pieces`.

#[path = "../tests/rendering/mod.rs"]
#[allow(
    dead_code,
    reason = "a benchmark draws pages, and looks nothing up in them"
)]
mod rendering;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use latchkey_app::domain::{
    EmailAddress, Password, PasswordRules, PasswordStrength, VerificationCode, probable_address,
};
use latchkey_app::view::{MailState, PendingClaim, RegisterView, VerifyView};
use leptos::prelude::provide_context;
use rendering::page;

const ADDRESS: &str = "Ada.Lovelace+sign-up@Example.com";
const PASSWORD: &str = "correct horse battery staple";

fn rules(criterion: &mut Criterion) {
    let password_rules = PasswordRules::default();
    let address = EmailAddress::parse(ADDRESS).ok();
    criterion.bench_function("an address", |bencher| {
        bencher.iter(|| EmailAddress::parse(black_box(ADDRESS)));
    });
    criterion.bench_function("an address, did you mean", |bencher| {
        bencher.iter(|| probable_address(black_box("ada@gmial.com")));
    });
    criterion.bench_function("a new password", |bencher| {
        bencher
            .iter(|| Password::parse_new(black_box(PASSWORD), &password_rules, address.as_ref()));
    });
    criterion.bench_function("a password's strength", |bencher| {
        bencher.iter(|| PasswordStrength::of(black_box(PASSWORD)));
    });
    criterion.bench_function("a code", |bencher| {
        bencher.iter(|| VerificationCode::parse(black_box("12-34")));
    });
}

fn pages(criterion: &mut Criterion) {
    criterion.bench_function("drawing /register", |bencher| {
        bencher.iter(|| page("/register", || provide_context(RegisterView::default())));
    });
    let pending = VerifyView {
        claim: Some(PendingClaim {
            email: ADDRESS.to_owned(),
            reference: "K7QF".to_owned(),
            mail: MailState::Taken,
            code_expires_in_ms: 58_200,
            attempts_left: 3,
            resend_in_seconds: 42,
        }),
        code_digits: 4,
        ..VerifyView::default()
    };
    criterion.bench_function("drawing /verify with a sign-up", |bencher| {
        bencher.iter(|| page("/verify", || provide_context(pending.clone())));
    });
}

criterion_group!(hot_pieces, rules, pages);
criterion_main!(hot_pieces);
