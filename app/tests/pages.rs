//! The pages as the server sends them, before and without any JavaScript.

#![cfg(feature = "ssr")]

mod rendering;

use latchkey_app::{
    answer::{Answer, Refusal},
    domain::PasswordRules,
    language::Language,
    theme::Theme,
    view::{
        Again, ErrorView, FieldErrors, LoginView, MailState, Moment, NotMeView, Notice,
        PendingClaim, Preferences, RegisterView, Site, Tone, VerifyView, WelcomeView,
    },
};
use leptos::prelude::provide_context;
use rendering::{Page, page};

fn claim() -> PendingClaim {
    PendingClaim {
        email: "Foo@bar.com".to_owned(),
        reference: "K7QF".to_owned(),
        mail: MailState::Taken,
        code_expires_in_ms: 58_200,
        attempts_left: 3,
        resend_in_seconds: 42,
    }
}

fn register(form: RegisterView) -> Page {
    page("/register", move || provide_context(form))
}

fn verify(form: VerifyView) -> Page {
    page("/verify", move || provide_context(form))
}

fn pending() -> VerifyView {
    VerifyView {
        claim: Some(claim()),
        code_digits: 4,
        ..VerifyView::default()
    }
}

#[test]
fn each_page_is_a_whole_document_in_the_services_name() {
    for (path, title) in [
        ("/", "Sign up · Keys &amp; Co"),
        ("/register", "Create an account · Keys &amp; Co"),
        ("/verify", "Enter your code · Keys &amp; Co"),
        ("/nowhere", "Page not found · Keys &amp; Co"),
        ("/dev/components", "Components · Keys &amp; Co"),
    ] {
        let page = page(path, || {});
        assert!(
            page.html()
                .starts_with("<!DOCTYPE html><html lang=\"en\" data-language=\"en\" dir=\"ltr\">"),
            "{path}"
        );
        assert!(
            page.has(&format!("<title>{title}</title>")),
            "{path}: {}",
            page.html()
        );
        assert_eq!(page.count("<h1"), 1, "{path}");
        assert_eq!(page.count("<main"), 1, "{path}");
    }
}

#[test]
fn a_page_is_drawn_in_its_readers_language_and_colours() {
    let read = |language, theme| {
        page("/register", move || {
            provide_context(Preferences {
                language,
                theme,
                back: "/register".to_owned(),
            });
        })
    };
    let french = read(Language::Fr, Theme::Dark);
    let document = french.tag("<html");
    for part in [
        " lang=\"fr\"",
        "data-language=\"fr\"",
        "dir=\"ltr\"",
        "data-theme=\"dark\"",
    ] {
        assert!(document.contains(part), "{document}");
    }
    assert!(french.has("<title>Créer un compte · Keys &amp; Co</title>"));
    assert!(french.has("Adresse e-mail"));
    assert!(french.has("name=\"color-scheme\" content=\"dark\""));
    assert!(!french.has("E-mail address"), "nothing is left in English");

    let system = read(Language::En, Theme::System);
    assert!(!system.has("data-theme"), "the style sheet decides");
    let pressed: Vec<_> = (system.html().split("aria-pressed=\"true\"").skip(1))
        .filter_map(|rest| rest.split(['<', '>']).nth(1))
        .collect();
    assert_eq!(pressed, ["English", "Automatic"]);
    assert!(system.has("name=\"back\" value=\"/register\""));
}

#[test]
fn signing_in_asks_for_what_the_password_manager_knows() {
    let page = page("/login", || {
        provide_context(LoginView {
            email: "foo@bar.com".to_owned(),
            notice: Some(Notice {
                tone: Tone::Information,
                text: "You are signed out.".to_owned(),
            }),
            ..LoginView::default()
        });
    });
    assert!(page.has("action=\"/login\""));
    assert!(page.input("email").contains("autocomplete=\"username\""));
    assert!(
        page.input("password")
            .contains("autocomplete=\"current-password\"")
    );
    assert!(page.says("status", "You are signed out."));
    assert!(page.has("<title>Sign in ·"));
}

#[test]
fn a_refused_form_begins_with_what_is_wrong() {
    let page = register(RegisterView {
        fields: FieldErrors {
            email: Some("Check the address.".to_owned()),
            password: Some("Choose another.".to_owned()),
            ..FieldErrors::default()
        },
        ..RegisterView::default()
    });
    let summary = page.with("class=\"summary\"");
    assert!(summary.contains("autofocus") && summary.contains("tabindex=\"-1\""));
    assert!(page.has("<a href=\"#email\">Check the address.</a>"));
    assert!(page.has("<a href=\"#password\">Choose another.</a>"));
    assert!(!register(RegisterView::default()).has("class=\"summary\""));
}

#[test]
fn the_parts_are_shown_with_every_id_once() {
    let page = page("/dev/components", || {});
    let mut ids: Vec<_> = (page.html().split(" id=\"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[test]
fn home_leads_to_signing_up_and_to_the_code() {
    let page = page("/", || {});
    assert!(page.has("href=\"/register\""));
    assert!(page.has("href=\"/verify\""));
    assert!(
        !page.has("<leptos-island") && !page.has("<script") && !page.has(".wasm"),
        "nothing on it needs to wake up"
    );
}

#[test]
fn the_form_works_without_javascript() {
    let page = register(RegisterView {
        rules: PasswordRules {
            min_length: 8,
            service_name: "Keys & Co".to_owned(),
        },
        ..RegisterView::default()
    });
    let form = page.tag("<form");
    assert!(form.contains("method=\"post\"") && form.contains("action=\"/register\""));
    assert!(
        form.contains("novalidate"),
        "our messages stand beside the fields, not the browser's"
    );
    assert!(page.input("email").contains("autocomplete=\"email\""));
    assert!(
        page.input("password")
            .contains("autocomplete=\"new-password\"")
    );
    assert!(page.input("password").contains("type=\"password\""));
    assert!(page.has("At least 8 characters"));
    assert!(
        !page.has("class=\"field__toggle\""),
        "a button that does nothing yet is not drawn"
    );
}

#[test]
fn errors_stand_beside_their_fields_and_the_address_is_kept() {
    let page = register(RegisterView {
        email: "foo\"@bar".to_owned(),
        fields: FieldErrors {
            email: Some("Check the address.".to_owned()),
            ..FieldErrors::default()
        },
        ..RegisterView::default()
    });
    let email = page.input("email");
    assert!(email.contains("value=\"foo&quot;@bar\""), "{email}");
    assert!(email.contains("aria-invalid=\"true\""));
    assert!(email.contains("aria-describedby=\"email-error email-hint\""));
    assert_eq!(page.text_of("email-error"), "Check the address.");
    assert!(!page.input("password").contains("aria-invalid"));
    assert!(!page.has("id=\"password-error\""));
    assert!(page.has("<title>Error: Create an account"));
}

#[test]
fn a_password_is_never_sent_back() {
    for page in [
        register(RegisterView::default()),
        verify(VerifyView::default()),
    ] {
        let password = page.input("password");
        assert!(
            !password.contains("value=\"") || password.contains("value=\"\""),
            "{password}"
        );
    }
}

#[test]
fn what_concerns_the_whole_form_stands_above_it_and_is_read_out() {
    let page = register(RegisterView {
        notice: Some("Too many sign-ups. Try again in a minute.".to_owned()),
        ..RegisterView::default()
    });
    assert!(page.says("alert", "Too many sign-ups."));

    let page = verify(VerifyView {
        notice: Some(Notice {
            tone: Tone::Information,
            text: "A mail is on its way.".to_owned(),
        }),
        ..pending()
    });
    assert!(page.says("status", "A mail is on its way."));
    assert!(!page.has("<title>Error:"), "good news is no error");
}

#[test]
fn terms_and_privacy_are_linked_where_they_are_set() {
    let with = |terms: Option<&str>, privacy: Option<&str>| {
        let site = Site {
            terms: terms.map(str::to_owned),
            privacy: privacy.map(str::to_owned),
            ..Site::default()
        };
        page("/register", move || provide_context(site))
    };
    assert!(!with(None, None).has("Before you sign up"));
    let both = with(
        Some("https://a.example/terms"),
        Some("https://a.example/privacy"),
    );
    assert!(both.has("href=\"https://a.example/terms\""));
    assert!(both.has("href=\"https://a.example/privacy\""));
    assert!(with(Some("https://a.example/terms"), None).has("href=\"https://a.example/terms\""));
}

#[test]
fn the_browser_that_signed_up_is_asked_for_the_code_alone() {
    let page = verify(pending());
    let code = page.input("verification_code");
    assert!(
        code.contains("inputmode=\"numeric\"") && code.contains("autocomplete=\"one-time-code\"")
    );
    assert!(!page.has("id=\"password\""));
    assert!(page.has("action=\"/correct\""), "a slip can be put right");
    assert!(page.has("<details") && !page.with("class=\"fold\"").contains("open"));
    for text in ["Foo@bar.com", "K7QF", "4 digits", "Attempts left", "0:59"] {
        assert!(page.has(text), "{text}");
    }
    assert!(page.has("action=\"/resend\""));
}

#[test]
fn a_correction_that_is_refused_comes_back_unfolded() {
    let mut form = VerifyView {
        email: "foo@".to_owned(),
        ..pending()
    };
    form.refused(&Answer {
        fields: FieldErrors {
            email: Some("Check the address.".to_owned()),
            ..FieldErrors::default()
        },
        ..Answer::refused("Check the address.")
    });
    let page = page("/correct", move || provide_context(form));
    assert!(page.with("class=\"fold\"").contains("open"));
    assert!(page.input("email").contains("value=\"foo@\""));
    assert_eq!(page.text_of("email-error"), "Check the address.");
}

#[test]
fn no_clock_runs_before_the_mail_has_left() {
    let state = |mail, code_expires_in_ms| {
        verify(VerifyView {
            claim: Some(PendingClaim {
                mail,
                code_expires_in_ms,
                ..claim()
            }),
            ..pending()
        })
    };
    let queued = state(MailState::Queued, 60_000);
    for text in ["about to leave", "counts from when the mail is sent"] {
        assert!(queued.has(text), "{text}");
    }
    assert!(queued.has("<noscript>. <a href=\"/verify\">Look again</a></noscript>"));
    assert!(!queued.has("1:00"));
    let taken = state(MailState::Taken, 60_000);
    assert!(taken.has("1:00") && !taken.has("<noscript"));
    let refused = state(MailState::Refused, 60_000);
    assert!(refused.says("alert", "The mail could not be delivered."));
    assert!(refused.has(">none<") && !refused.has("1:00"));
    let stale = state(MailState::Taken, 0);
    assert!(stale.says("alert", "This code is stale."));
}

#[test]
fn a_code_that_is_stale_while_the_next_one_waits_is_no_reason_to_ask_for_another() {
    let mut form = pending();
    form.claim = Some(PendingClaim {
        mail: MailState::Queued,
        ..claim()
    });
    form.refused(&Answer {
        refusal: Some(Refusal::CodeStale),
        ..Answer::refused("This code is stale. The mail that is about to leave brings a new one.")
    });
    let page = verify(form);
    assert!(page.says(
        "alert",
        "This code is stale. The mail that is about to leave"
    ));
    assert!(!page.has(">Send a new code<"));
}

#[test]
fn whoever_did_not_sign_up_is_asked_before_anything_is_stopped() {
    let not_me = |view: NotMeView| page("/not-me", move || provide_context(view));
    let ask = not_me(NotMeView::Ask {
        token: "AbCd".to_owned(),
        email: "f…@bar.com".to_owned(),
        reference: "K7QF".to_owned(),
    });
    let form = ask.tag("<form");
    assert!(form.contains("method=\"post\"") && form.contains("action=\"/not-me\""));
    assert!(ask.input("token").contains("value=\"AbCd\""));
    for text in [
        "f…@bar.com",
        "K7QF",
        "An account that you have is not touched",
    ] {
        assert!(ask.has(text), "{text}");
    }
    assert!(!ask.has("<leptos-island"), "nothing on it needs to wake up");
    assert!(not_me(NotMeView::Done).has("It is stopped"));
    assert!(not_me(NotMeView::Stale).has("There is nothing to stop"));
    assert!(!not_me(NotMeView::Stale).has("action=\"/not-me\""));
}

#[test]
fn another_browser_is_asked_for_the_password_as_well() {
    let page = verify(VerifyView {
        email: "foo@bar.com".to_owned(),
        code_digits: 4,
        ..VerifyView::default()
    });
    assert!(page.input("email").contains("value=\"foo@bar.com\""));
    assert!(page.input("email").contains("autocomplete=\"username\""));
    assert!(
        page.input("password")
            .contains("autocomplete=\"current-password\"")
    );
    assert!(page.has("id=\"verification_code\""));
    assert!(
        !page.has("action=\"/resend\""),
        "only its own browser can ask for another mail"
    );
    assert!(page.has("href=\"/register\""));
}

#[test]
fn a_wrong_code_says_how_many_attempts_are_left() {
    const WRONG: &str = "That is not the code in the latest mail. 1 attempt left.";
    let mut form = pending();
    form.refused(&Answer {
        refusal: Some(Refusal::CodeWrong),
        attempts_left: Some(1),
        fields: FieldErrors {
            verification_code: Some(WRONG.to_owned()),
            ..FieldErrors::default()
        },
        ..Answer::refused(WRONG)
    });
    assert_eq!(
        form.claim.as_ref().map(|claim| claim.attempts_left),
        Some(1)
    );
    let page = verify(form);
    assert_eq!(page.text_of("verification_code-error"), WRONG);
    assert!(
        page.input("verification_code")
            .contains("aria-invalid=\"true\"")
    );
}

#[test]
fn a_stale_code_makes_the_new_one_the_main_thing() {
    let mut form = pending();
    form.refused(&Answer {
        refusal: Some(Refusal::CodeStale),
        ..Answer::refused("This code is stale. Ask for a new one.")
    });
    let page = verify(form);
    assert!(page.says("alert", "This code is stale. Ask for a new one."));
    assert!(page.has(">Send a new code<"));
}

#[test]
fn a_refused_resend_is_told_on_the_same_page() {
    let mut form = pending();
    form.refused(&Answer::refused("Too many mails. Try again in a minute."));
    let page = page("/resend", move || provide_context(form));
    assert!(page.says("alert", "Too many mails."));
    assert!(page.has("K7QF"));
}

#[test]
fn the_development_mailbox_is_linked_only_where_there_is_one() {
    assert!(!verify(pending()).has("/dev/mailbox"));
    let site = Site {
        mailbox: Some("/dev/mailbox".to_owned()),
        ..Site::default()
    };
    let page = page("/verify", move || {
        provide_context(site);
        provide_context(pending());
    });
    assert!(page.has("href=\"/dev/mailbox\""));
}

#[test]
fn welcome_names_the_address_and_leads_on() {
    let page = page("/welcome", || {
        provide_context(Site {
            after: Some("https://shop.example/".to_owned()),
            ..Site::default()
        });
        provide_context(WelcomeView {
            email: "Foo@bar.com".to_owned(),
            verified_at: Moment {
                year: 2026,
                month: 11,
                day: 4,
                hour: 9,
                minute: 5,
            },
        });
    });
    assert!(page.has("Foo@bar.com"));
    assert!(page.has("datetime=\"2026-11-04T09:05Z\""));
    assert!(page.has("4 November 2026 at 09:05 UTC"));
    assert!(page.has("action=\"/logout\""));
    assert!(page.has("href=\"https://shop.example/\""));
}

#[test]
fn an_error_is_drawn_whatever_the_path_and_the_other_views() {
    let page = page("/register", || {
        provide_context(RegisterView::default());
        provide_context(ErrorView {
            status: 503,
            title: "Back in a moment".to_owned(),
            message: "Try again in a few seconds.".to_owned(),
            reference: Some("01JD".to_owned()),
            again: Some(Again::Open("/register".to_owned())),
        });
    });
    for text in [
        "Back in a moment",
        "Try again in a few seconds.",
        "503",
        "01JD",
    ] {
        assert!(page.has(text), "{text}");
    }
    assert!(!page.has("action=\"/register\""));
    assert!(page.with("class=\"button\"").contains("href=\"/register\""));
}

#[test]
fn what_was_typed_into_a_form_whose_page_cannot_be_drawn_is_sent_again_by_a_button() {
    let page = page("/correct", || {
        provide_context(ErrorView {
            status: 503,
            again: Some(Again::Post {
                path: "/correct".to_owned(),
                fields: vec![("email".to_owned(), "\"ada\"@bar.com".to_owned())],
            }),
            ..ErrorView::default()
        });
    });
    assert!(page.with("method=\"post\"").contains("action=\"/correct\""));
    let field = page.with("name=\"email\"");
    for part in ["type=\"hidden\"", "value=\"&quot;ada&quot;@bar.com\""] {
        assert!(field.contains(part), "{field}");
    }
}

#[test]
fn what_people_typed_cannot_become_markup() {
    let page = verify(VerifyView {
        claim: Some(PendingClaim {
            email: "<script>alert(1)</script>@bar.com".to_owned(),
            ..claim()
        }),
        ..VerifyView::default()
    });
    assert!(!page.has("<script>alert"));
}

#[test]
fn nothing_needs_an_exception_from_a_strict_policy() {
    let page = page("/register", || {
        leptos::nonce::provide_nonce();
        provide_context(RegisterView::default());
    });
    assert!(!page.has(" style=") && !page.has("<style"));
    for (start, count) in [("<script", 2), ("<link rel=\"modulepreload\"", 1)] {
        let tags: Vec<_> = (page.html().split(start).skip(1))
            .filter_map(|rest| rest.split('>').next())
            .collect();
        assert_eq!(tags.len(), count, "{start}");
        assert!(tags.iter().all(|tag| tag.contains(" nonce=\"")), "{tags:?}");
    }
    assert_eq!(
        page.count("crossorigin=\""),
        page.count("crossorigin=\"anonymous\"")
    );
    for handler in [" onclick=", " onsubmit=", "javascript:"] {
        assert!(!page.has(handler), "{handler}");
    }
}

#[test]
fn the_answers_of_the_api_are_understood() {
    let answer: Answer = serde_json::from_str(
        r#"{"status":"failed","message":"Wrong.","error":"code_wrong","attempts_left":2}"#,
    )
    .unwrap();
    assert_eq!(answer.refusal, Some(Refusal::CodeWrong));
    assert_eq!(answer.attempts_left, Some(2));

    let answer: Answer = serde_json::from_str(
        r#"{"status":"failed","message":"Check.","error":"invalid","fields":{"email":"Check it."}}"#,
    )
    .unwrap();
    assert_eq!(answer.refusal, Some(Refusal::Other));
    assert_eq!(answer.fields.email.as_deref(), Some("Check it."));

    let answer: Answer =
        serde_json::from_str(r#"{"status":"success","message":"Recorded.","code":"0746"}"#)
            .unwrap();
    assert_eq!(answer.refusal, None);
}
